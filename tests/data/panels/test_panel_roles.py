"""What columns of panels are for: found by what makes times unique, told, and remembered."""

import io

import pyarrow
import pyarrow.parquet
import pytest

from engram.data.panels.reading import read_panels
from engram.data.settings import PanelSettings
from engram.data.tables.roles import with_roles
from engram.errors import DataError

DAYS = [f"2024-01-{day:02d}" for day in range(1, 21)]


def _csv(header, *rows):
    return "\n".join([header, *rows]) + "\n"


def _read(tmp_path, content, name="a.csv", **given):
    (tmp_path / name).write_text(content)
    return read_panels(PanelSettings(data=[str(tmp_path / name)], **given))


SHOPS = [(shop, item, day) for shop in "AB" for item in (1, 2) for day in DAYS]
# what the file is: its content, and its target, series and time
FORMS = {
    "one series": (_csv("day,v", *(f"{d},1.5" for d in DAYS)), ["v"], [], ["day"]),
    "a text that repeats": (
        _csv(
            "day,weather,v", *(f"{d},{'rain' if n % 3 else 'sun'},{n}" for n, d in enumerate(DAYS))
        ),
        ["v"],
        [],
        ["day"],
    ),
    "a note": (
        _csv("day,note,v", *(f"{d},{'x' * (n < 2)},{n}" for n, d in enumerate(DAYS))),
        ["v"],
        [],
        ["day"],
    ),
    "shops": (
        _csv("day,shop,v", *(f"{d},{s},{i}" for s, i, d in SHOPS if i == 1)),
        ["v"],
        ["shop"],
        ["day"],
    ),
    "shops and items": (
        _csv("day,shop,item,v", *(f"{d},{s},{i},3" for s, i, d in SHOPS)),
        ["v"],
        ["shop", "item"],
        ["day"],
    ),
    "one shop": (_csv("day,shop,v", *(f"{d},A,1" for d in DAYS)), ["v"], ["shop"], ["day"]),
    "a promotion": (
        _csv("day,v,promo", *(f"{d},{n},{n % 2}" for n, d in enumerate(DAYS))),
        ["v"],
        [],
        ["day"],
    ),
    "an index": (
        _csv(",day,v", *(f"{n},{d},{n}.5" for n, d in enumerate(DAYS))),
        ["v"],
        [],
        ["day"],
    ),
    "an index of dates": (
        _csv(",v", *(f"{d},{n}" for n, d in enumerate(DAYS))),
        ["v"],
        [],
        ["column 1"],
    ),
    "empty columns": (_csv("day,v,", *(f"{d},1," for d in DAYS)), ["v"], [], ["day"]),
    "year and month": (
        _csv("Year,Month,v", *(f"{y},{m},1" for y in (2023, 2024) for m in range(1, 13))),
        ["v"],
        [],
        ["Year", "Month"],
    ),
    "date and hour": (
        _csv("date,hour,v", *(f"{d},{h},1" for d in DAYS for h in range(24))),
        ["v"],
        [],
        ["date", "hour"],
    ),
    "an index that is a measure": (
        _csv("period,index", *(f"2000M{m:02d},{100 + m % 3}" for m in range(1, 13))),
        ["index"],
        [],
        ["period"],
    ),
    "stores as columns": (
        _csv("day,101,102", *(f"{d},1,2" for d in DAYS)),
        ["101", "102"],
        [],
        ["day"],
    ),
    "digits": (_csv("date,v", *(f"{d.replace('-', '')},1" for d in DAYS)), ["v"], [], ["date"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path, form):
    content, target, series, time = FORMS[form]
    found = _read(tmp_path, content)
    roles = [found.roles[name] for name in ("target", "series", "time")]
    assert [roles[0], roles[1], sorted(roles[2])] == [target, series, sorted(time)]
    # what was found is read the same when it is said
    again = _read(tmp_path, content, target=target, series=series, time=roles[2])
    assert again.panel.digest() == found.panel.digest()
    assert all(step == 1 for step in found.panel.calendar.steps(found.panel.times_of(0)))


def test_joined_times_and_keys(tmp_path):
    panel = _read(tmp_path, FORMS["date and hour"][0]).panel
    assert panel.calendar.name == "hour"
    assert panel.calendar.written(panel.times[[0, 25]]) == [
        "2024-01-01 00:00:00",
        "2024-01-02 01:00:00",
    ]
    panel = _read(tmp_path, FORMS["year and month"][0]).panel
    assert panel.calendar.name == "month"
    panel = _read(tmp_path, FORMS["shops and items"][0]).panel
    assert panel.keys == ["A, 1", "A, 2", "B, 1", "B, 2"]


def test_rows_that_are_series(tmp_path):
    content = _csv("page,2024-01-01,2024-01-02,2024-01-03", "a,1,2,3", "b,4,,6")
    found = _read(tmp_path, content)
    assert found.panel.keys == ["a", "b"]
    assert found.panel.target(0).tolist() == [1, 2, 3]
    assert found.panel.calendar.name == "day"
    assert "each row is a series" in "; ".join(found.warnings)


def test_times_that_come_twice_are_named_with_a_way_out(tmp_path):
    content = _csv("day,x,v", *(f"{d},0.{n},1" for d in DAYS[:3] for n in (1, 2)))
    with pytest.raises(DataError, match=r"line 3: .* 'day' twice; .*--series"):
        _read(tmp_path, content, target="v")


def test_what_was_found_is_used_for_the_next_file(tmp_path):
    rows = [f"{day[8:]}.{day[5:7]}.2024;1.234,5" for day in DAYS]
    found = _read(tmp_path, _csv("Tag;Wert", *rows))
    assert "decimal comma" in "; ".join(found.warnings)
    # alone, it could be read in two ways
    (tmp_path / "b.csv").write_text(_csv("Tag;Wert", "01.02.2024;1.234", "02.02.2024;5.678"))
    asked = PanelSettings(data=[str(tmp_path / "b.csv")])
    with pytest.raises(DataError, match="say which"):
        read_panels(asked)
    panel = read_panels(with_roles(asked, found.roles)).panel
    assert panel.target(0).tolist() == [1234, 5678]
    assert panel.calendar.written(panel.times) == ["2024-02-01", "2024-02-02"]
    told = PanelSettings(data=asked.data, dates="month-first", decimal="point")
    assert with_roles(told, found.roles).dates == "month-first"
    assert with_roles(told, found.roles).decimal == "point"


def test_roles_of_earlier_models(tmp_path):
    content, *_ = FORMS["shops"]
    asked = PanelSettings(data=[str(tmp_path / "a.csv")])
    (tmp_path / "a.csv").write_text(content)
    old = {"target": ["v"], "series": "shop", "time": "day", "past": [], "known": []}
    assert read_panels(with_roles(asked, old)).panel.keys == ["A", "B"]
    assert read_panels(with_roles(asked, old | {"series": None})).panel.keys == ["A", "B"]


def _written(table):
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("kind", "unit"),
    [(pyarrow.duration("us"), 10**6), (pyarrow.time64("ns"), 10**9), (pyarrow.time32("s"), 1)],
)
def test_durations_and_times_of_day_are_seconds(tmp_path, kind, unit):
    narrow = pyarrow.int32() if pyarrow.types.is_time32(kind) else pyarrow.int64()
    whole = pyarrow.array([0, 60 * unit, 120 * unit], narrow)
    table = pyarrow.table({"t": whole.cast(kind), "v": [1.0, 2.0, 3.0]})
    (tmp_path / "a.parquet").write_bytes(_written(table))
    panel = read_panels(PanelSettings(data=[str(tmp_path / "a.parquet")])).panel
    assert panel.times.tolist() == [0.0, 60.0, 120.0]


@pytest.mark.parametrize(
    ("freq", "number", "wanted"),
    [
        ("M", 360, "2000-01"),
        ("D", 10957, "2000-01-01"),
        ("Q-DEC", 120, "2000-01"),
        ("W-SUN", 2738, "2022-06-13"),
    ],
)
def test_periods_of_pandas_are_dates(tmp_path, freq, number, wanted):
    facts = {
        "ARROW:extension:name": "pandas.period",
        "ARROW:extension:metadata": f'{{"freq": "{freq}"}}',
    }
    schema = pyarrow.schema(
        [
            pyarrow.field("ds", pyarrow.int64(), metadata=facts),
            pyarrow.field("v", pyarrow.float64()),
        ]
    )
    table = pyarrow.table(
        {"ds": [number, number + 1, number + 2], "v": [1.0, 2.0, 3.0]}, schema=schema
    )
    (tmp_path / "a.parquet").write_bytes(_written(table))
    panel = read_panels(PanelSettings(data=[str(tmp_path / "a.parquet")])).panel
    assert panel.calendar.written(panel.times)[0] == wanted
    assert all(step == 1 for step in panel.calendar.steps(panel.times))
