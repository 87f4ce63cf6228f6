from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engram.data.panels.reading import as_stored, read_panels
from engram.data.settings import PanelSettings
from engram.errors import DataError, EngramError

LONG = (
    "id,day,sales,price\na,2024-01-02,2,20\na,2024-01-01,1,10\nb,2024-01-01,5,10\n"
    "b,2024-01-02,6,20\na,2024-01-03,,30\n"
)
WIDE = "month,north,south\n2024-01,1,10\n2024-02,2,\n2024-03,3,30\n"


def read(tmp_path, text, name="x.csv", **values):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_panels(PanelSettings(data=[str(path)], **values))


def test_a_long_table(tmp_path):
    found = read(tmp_path, LONG, known=["price"])
    panel = found.panel
    assert panel.keys == ["a", "b"]
    assert panel.target(0).tolist() == [1, 2]
    assert panel.ahead.tolist() == [1, 0]
    assert panel.sequences[0][:, 1].tolist() == [10, 20, 30]
    assert panel.calendar.name == "day"
    assert (
        found.about[-1] == "columns: target 'sales'; series 'id'; time 'day'; known ahead 'price'"
    )
    assert "were not in the order of 'day'" in "; ".join(found.warnings)


def test_a_wide_table(tmp_path):
    found = read(tmp_path, WIDE)
    assert found.panel.keys == ["north", "south"]
    np.testing.assert_array_equal(found.panel.target(1), [10, np.nan, 30])
    assert found.panel.calendar.name == "month"
    assert found.about[-1] == "columns: 2 targets 'north, south'; time 'month'"


def test_a_column_of_a_wide_table(tmp_path):
    found = read(tmp_path, WIDE, target=["south"], past=["north"])
    assert found.panel.keys == ["south"]
    assert found.panel.past == 1
    assert found.panel.sequences[0][:, 1].tolist() == [1, 2, 3]


def test_several_targets_of_several_series(tmp_path):
    found = read(tmp_path, LONG, target=["sales", "price"])
    assert found.panel.keys == ["a sales", "a price", "b sales", "b price"]
    assert found.panel.target(1).tolist() == [10, 20, 30]


def test_rows_without_times_stand_in_their_order(tmp_path):
    found = read(tmp_path, "load\n3\n1\n2\n")
    assert found.panel.target(0).tolist() == [3, 1, 2]
    assert "no time column was found" in found.warnings[0]


def test_files_that_go_on(tmp_path):
    (tmp_path / "b.csv").write_text("day,v\n2024-01-03,3\n")
    (tmp_path / "a.csv").write_text("day,v\n2024-01-01,1\n2024-01-02,2\n")
    found = read_panels(PanelSettings(data=[str(tmp_path / "*.csv")]))
    assert found.panel.target(0).tolist() == [1, 2, 3]


def test_steps_before_the_first_value_are_none(tmp_path):
    found = read(tmp_path, "day,v,w\n2024-01-01,,1\n2024-01-02,2,1\n2024-01-03,,1\n2024-01-04,4,\n")
    assert [found.panel.lengths[i] for i in range(2)] == [3, 3]
    assert found.panel.times_of(0)[0] == found.panel.times_of(1)[1]


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_marks_and_ends_of_lines(tmp_path, mark, end):
    text = mark + WIDE.encode().replace(b"\n", end)
    assert read(tmp_path, text).panel.keys == ["north", "south"]


def test_gaps_are_told_and_filled(tmp_path):
    text = "day,v\n" + "".join(f"2024-01-{day:02},{day}\n" for day in range(1, 20) if day != 7)
    found = read(tmp_path, text)
    assert (
        "1 of 17 steps do not follow one per day, the first before 2024-01-08" in found.warnings[0]
    )
    assert found.panel.lengths[0] == 18
    filled = read(tmp_path, text, gaps="fill")
    assert filled.panel.lengths[0] == 19
    assert np.isnan(filled.panel.target(0)[6])


WORKING = [str(day) for day in np.arange(np.datetime64("2024-01-01"), np.datetime64("2024-02-24"))
           if np.is_busday(day)]  # fmt: skip


def test_weekends_are_no_gaps(tmp_path):
    rows = [f"{day},{n}\n" for n, day in enumerate(WORKING)]
    found = read(tmp_path, "day,v\n" + "".join(rows))
    assert found.about[0].startswith("1 series of 40 steps, one per working day, from ")
    assert not found.warnings
    holiday = "day,v\n" + "".join(rows[:11] + rows[12:])
    found = read(tmp_path, holiday)
    assert "1 of 38 steps do not follow one per working day" in found.warnings[0]
    filled = read(tmp_path, holiday, gaps="fill").panel
    assert filled.calendar.written(filled.times) == WORKING
    assert np.flatnonzero(np.isnan(filled.target(0))).tolist() == [11]


def test_a_series_of_another_calendar_is_named(tmp_path):
    rows = [f"{key},{day},1\n" for key in "ab" for day in WORKING]
    days = np.arange(np.datetime64("2024-01-01"), np.datetime64("2024-02-24"))
    text = "id,day,v\n" + "".join(rows + [f"c,{day},1\n" for day in days])
    with pytest.raises(
        DataError, match="'c' has one step per day, but others have one per working"
    ):
        read(tmp_path, text)


FUTURE = {"target": ["sales"], "known": ["price"], "time": "day", "series": "id"}


def test_a_table_of_rows_to_come(tmp_path):
    (tmp_path / "ahead.csv").write_text(
        "day,price,id\n2024-01-04,41,a\n2024-01-04,42,b\n2024-01-03,32,b\n"
    )
    (tmp_path / "past.csv").write_text(LONG)
    for order in (["past.csv", "ahead.csv"], ["ahead.csv", "past.csv"]):
        given = PanelSettings(data=[str(tmp_path / name) for name in order], **FUTURE)
        panel = read_panels(given).panel
        assert panel.lengths.tolist() == [2, 2]
        ahead = panel.with_ahead(2)
        assert [own[2:, 1].tolist() for own in ahead.sequences] == [[30, 41], [32, 42]]
    alone = PanelSettings(data=[str(tmp_path / "ahead.csv")], **FUTURE)
    with pytest.raises(
        DataError, match=r"no column 'sales', so all of its rows are yet to come; g"
    ):
        read_panels(alone)
    found = read_panels(alone, history=[str(tmp_path / "past.csv")])
    assert found.panel.ahead.tolist() == [2, 2]
    assert "the history is read from the training data" in found.warnings[0]
    with pytest.raises(DataError, match="yet to come"):
        read_panels(alone, history=[str(tmp_path / "past.csv"), str(tmp_path / "gone.csv")])


def test_what_was_stored_is_used_where_nothing_was_given():
    stored = {"gaps": "fill", "target": ["v"], "time": "day", "an older one": 1}
    kept = as_stored(PanelSettings(data=["x"], time="hour"), stored)
    assert (kept.gaps, kept.target, kept.time, kept.data) == ("fill", ["v"], ["hour"], ["x"])
    assert as_stored(PanelSettings(data=["x"], gaps="keep"), stored).gaps == "keep"


def test_all_that_decides_how_a_file_is_read_is_stored(tmp_path):
    roles = read(tmp_path, LONG, known=["price"], gaps="fill").roles
    assert set(roles) == set(PanelSettings.model_fields) - {"data"}
    assert (roles["gaps"], roles["target"], roles["known"]) == ("fill", ["sales"], ["price"])


def test_an_index_without_a_name_is_no_series(tmp_path):
    found = read(tmp_path, ",date,a,b\n0,2024-01-01,5,1\n1,2024-01-02,6,1\n2,2024-01-03,7,2\n")
    assert found.panel.keys == ["a", "b"]
    assert found.about[-1].endswith("left out 'column 1'")


def test_days_before_months_with_points(tmp_path):
    found = read(tmp_path, "Tag;v\n30.01.2024;1\n31.01.2024;2\n1.2.2024;3\n")
    assert found.panel.calendar.written(found.panel.times) == [
        "2024-01-30",
        "2024-01-31",
        "2024-02-01",
    ]


BAD = {
    "texts among numbers": (
        "day,v\n2024-01-01,1\n2024-01-02,3 kg\n2024-01-03,2\n", {}, "line 3: 'v' holds '3 kg'"
    ),
    "commas": (
        "day;v\n2024-01-01;1\n2024-01-02;2,512\n", {}, "'2,512' may be 2512 or 2.512; say which"
    ),
    "no column": ("day,v\n2024-01-01,1\n", {"target": ["w"]}, "has no column 'w'"),
    "two roles": ("day,v\n2024-01-01,1\n", {"target": ["v"], "time": "v"}, "given two roles"),
    "texts": ("day,v\n2024-01-01,1\n2024-01-02,x\n", {"target": ["v"]}, "line 3: 'v' holds 'x'"),
    "nothing": ("name\nx\ny\n", {}, "no numeric column to forecast"),
    "infinite": ("day,v\n2024-01-01,1\n2024-01-02,inf\n", {}, "line 3: 'v' is infinite"),
    "twice": ("day,v\n2024-01-01,1\n2024-01-02,2\n2024-01-01,3\n", {}, "this 'day' twice"),
    "no time": ("day,v\n2024-01-01,1\nsoon,2\n", {"time": "day"}, "line 3: 'day' holds 'soon'"),
    "no key": ("id,day,v\na,1,1\n,2,2\na,3,3\n", {"series": "id"}, "line 3: 'id' is empty"),
    "no value": ("day,v\n2024-01-01,\n2024-01-02,\n", {"target": ["v"]}, "no series has a value"),
    "frequencies": (
        "id,day,v\n" + "".join(f"a,2024-01-0{n},{n}\nb,2024-0{n}-01,{n}\n" for n in range(1, 7))
        + "".join(f"c,2024-01-0{n},{n}\n" for n in range(1, 7)),
        {},
        "series 'b' has one step per month, but others have one per day; train one",
    ),
    "ragged": ("day,v\n2024-01-01,1\n2024-01-02\n", {}, "line 3|expected|columns"),
    "empty": ("", {}, "is empty"),
    "NUL": (b"day,v\n2024-01-01,1\n2024-01-02,\0\n", {"target": ["v"]}, "holds|NUL"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read(tmp_path, case):
    text, values, message = BAD[case]
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, **values)


def test_twice_in_the_second_file_is_placed(tmp_path):
    (tmp_path / "a.csv").write_text("day,v,w\n2024-01-01,1,1\n2024-01-02,2,2\n")
    (tmp_path / "b.csv").write_text("day,v,w\n2024-01-03,3,3\n2024-01-02,4,4\n")
    with pytest.raises(DataError, match=r"b\.csv line 3: series 'v' has this 'day' twice"):
        read_panels(PanelSettings(data=[str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]))


def test_a_file_with_other_columns(tmp_path):
    (tmp_path / "a.csv").write_text("day,v\n2024-01-01,1\n")
    (tmp_path / "b.csv").write_text("day,w\n2024-01-03,3\n")
    with pytest.raises(DataError, match=r"b\.csv has no column 'v', but the files before it do"):
        read_panels(PanelSettings(data=[str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]))


@settings(max_examples=150, deadline=None)
@given(
    source=st.sampled_from([LONG, WIDE]),
    place=st.integers(0, 120),
    junk=st.one_of(
        st.binary(max_size=8), st.sampled_from([b"\0", b",,", b"\n", b"\xff", b'"', b"1e999"])
    ),
    cut=st.booleans(),
)
def test_damaged_tables(tmp_path_factory, source, place, junk, cut):
    text = source.encode()
    damaged = text[:place] if cut else text[:place] + junk + text[place + len(junk) // 2 :]
    path = Path(tmp_path_factory.mktemp("damaged")) / "x.csv"
    path.write_bytes(damaged)
    try:
        panel = read_panels(PanelSettings(data=[str(path)])).panel
    except EngramError:
        return
    assert len(panel) >= 1
    assert (panel.lengths >= 1).all()
    assert np.isfinite(panel.times).all()
    assert not np.isinf(panel.sequences.values).any()


def test_every_column_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("day,key,v,w\n1,a,1,5\n2,a,2,6\n1,b,3,7\n2,b,4,8\n")
    settings = PanelSettings(data=[str(path)], target="v", series="key", time="day", past="w")
    panel = read_panels(settings).panel
    assert [panel.sequences[index].tolist() for index in (0, 1)] == [
        [[1, 5], [2, 6]],
        [[3, 7], [4, 8]],
    ]
