"""Tables: what is read of good files, and what is said of bad ones."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engram.data.arrays.sequences import Sequences
from engram.data.labelled.reading import ReadingSettings, read_examples
from engram.data.tables.reading import read_table
from engram.data.tables.roles import with_roles
from engram.errors import DataError, EngramError


def _read(path, *, numbers=False, answered=True, labels=(), **roles):
    chosen = ReadingSettings(data=[str(path)], **roles)
    return read_examples(chosen.data, chosen, numbers=numbers, answered=answered, labels=labels)


def _file(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


REVIEWS = "text,label\ngood film,1\nbad film,0\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", REVIEWS),
        ("mark.csv", b"\xef\xbb\xbf" + REVIEWS.encode()),
        ("crlf.csv", REVIEWS.replace("\n", "\r\n")),
        ("semicolon.csv", REVIEWS.replace(",", ";")),
        ("a.tsv", REVIEWS.replace(",", "\t")),
        ("quoted.csv", 'text,label\n"good film",1\n"bad film",0\n'),
        ("no end.csv", REVIEWS.rstrip()),
        ("empty lines.csv", "\ntext,label\n\ngood film,1\n\nbad film,0\n\n"),
        ("more.csv", "n,text,other,label\n1,good film,x,1\n2,bad film,y,0\n"),
        ("a.jsonl", '{"text": "good film", "label": 1}\n{"text": "bad film", "label": 0}\n'),
        ("swapped.jsonl", '{"label": "1", "text": "good film"}\n\n{"text":"bad film","label":"0"}'),
        ("a.json", '[{"text": "good film", "label": 1}, {"text": "bad film", "label": 0}]'),
        ("lines.txt", "1 good film\n\n0 bad film\n"),
    ],
)
def test_texts_with_labels(tmp_path, name, content):
    found = _read(_file(tmp_path, name, content)).examples
    assert found.inputs == ["good film", "bad film"]
    assert found.targets == ["1", "0"]


def test_cells_with_breaks_separators_and_quotes(tmp_path):
    path = _file(tmp_path, "a.csv", 'text,label\n"a, ""b""\nc",x\nd,y\n')
    assert _read(path).examples.inputs == ['a, "b"\nc', "d"]


def test_lines_are_those_of_the_file(tmp_path):
    content = '\n\ntext,label\n"a\nb",x\n\nc,y\n,z\n'
    with pytest.raises(DataError, match="line 8: 'text' is empty"):
        _read(_file(tmp_path, "a.csv", content))
    with pytest.raises(DataError, match="line 8 has 3 cells"):
        _read(_file(tmp_path, "a.csv", content.replace(",z", ",z,")))
    content = '{"text": "a", "label": 1}\n\n\n{"text": "b", "label": null}'
    with pytest.raises(DataError, match="line 4: 'label' is empty"):
        _read(_file(tmp_path, "a.jsonl", content))


@pytest.mark.slow
def test_a_line_of_a_million_characters(tmp_path):
    long = "word " * 4_000_000
    path = _file(tmp_path, "a.csv", f"text,label\n{long},x\nshort,y\n")
    assert _read(path).examples.inputs == [long, "short"]
    path = _file(tmp_path, "a.jsonl", json.dumps({"text": long, "label": "x"}))
    assert _read(path).examples.inputs == [long]
    path = _file(tmp_path, "a.txt", f"x {long}\ny short\n")
    assert _read(path).examples.inputs == [long.strip(), "short"]
    path = _file(tmp_path, "a.ts", "@classLabel true\n@data\n" + "1.5," * 300_000 + "2:a\n")
    assert _read(path).examples.inputs.lengths.tolist() == [300_001]


def test_other_encodings(tmp_path):
    path = _file(tmp_path, "a.csv", "text,label\ncafé,x\n".encode("latin-1"))
    assert _read(path, encoding="latin-1").examples.inputs == ["café"]
    with pytest.raises(DataError, match="encoding"):
        _read(path)
    with pytest.raises(DataError, match="unknown encoding: klingon"):
        _read(path, encoding="klingon")


LONG = """series,time,a,b,label
s1,1,1.0,10,x
s1,2,2.0,20,x
s2,1,3.0,30,y
s1,3,4.0,40,x
"""


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_a_row_a_step(tmp_path, kind):
    path = _file(tmp_path, "a.csv", LONG)
    if kind != "csv":
        import pyarrow.csv
        import pyarrow.parquet

        rows = pyarrow.csv.read_csv(path)
        path = tmp_path / f"a.{kind}"
        if kind == "parquet":
            pyarrow.parquet.write_table(rows, path)
        else:
            path.write_text("\n".join(json.dumps(row) for row in rows.to_pylist()))
    found = _read(path)
    inputs = found.examples.inputs
    assert isinstance(inputs, Sequences)
    assert inputs.columns == ("a", "b")
    assert [each.tolist() for each in inputs] == [[[1, 10], [2, 20], [4, 40]], [[3, 30]]]
    assert found.examples.targets == ["x", "y"]
    assert "series 's1'" in found.examples.name(0)
    assert found.about[1] == (
        "columns: target 'label'; series 'series'; time 'time'; values 'a, b'"
    )


def test_steps_are_put_in_the_order_of_time(tmp_path):
    path = _file(
        tmp_path, "a.csv", "id,date,v,y\na,2024-01-02,2,0\na,2024-01-01,1,0\nb,2024/01/01,3,1\n"
    )
    found = _read(path).examples
    assert [each.tolist() for each in found.inputs] == [[[1], [2]], [[3]]]


def test_series_in_cells(tmp_path):
    rows = [{"x": [1, 2, None], "y": 0.5}, {"x": [3], "y": 2}]
    path = _file(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))
    found = _read(path, numbers=True).examples
    np.testing.assert_array_equal(found.inputs.values[:, 0], np.float32([1, 2, np.nan, 3]))
    assert found.targets.tolist() == [0.5, 2.0]
    path = _file(tmp_path, "b.jsonl", '{"x": [[1, 2], [3, 4]], "y": 1}')
    assert _read(path).examples.inputs[0].tolist() == [[1, 2], [3, 4]]


def test_roles_can_be_named_and_are_taken_over(tmp_path):
    path = _file(tmp_path, "a.csv", "one,two,three\nlonger text,b,c\nlonger still,d,e\n")
    found = _read(path, text="two", target="one")
    assert found.examples.inputs == ["b", "d"]
    other = _file(tmp_path, "b.csv", "two\nf\n")
    asking = with_roles(ReadingSettings(data=[str(other)]), found.roles)
    new = read_examples([str(other)], asking, numbers=False, answered=False).examples
    assert (new.inputs, new.targets) == (["f"], None)


def test_lines_without_labels_where_none_are_needed(tmp_path):
    path = _file(tmp_path, "a.txt", "1 good\n0 bad\nworse\n")
    found = _read(path, answered=False, labels=["0", "1"]).examples
    assert (found.inputs, found.targets) == (["1 good", "0 bad", "worse"], None)


def test_a_column_that_tells_the_target_is_warned_of(tmp_path):
    rows = "".join(f"s{i},{t},{i * t},{i % 2},{'ab'[i % 2]}\n" for i in range(12) for t in (1, 2))
    path = _file(tmp_path, "a.csv", "series,time,v,code,label\n" + rows)
    found = _read(path)
    assert len(found.warnings) == 1
    assert "'code' reveals the target" in found.warnings[0]


FAULTS = [
    ("a.csv", "", "is empty"),
    ("a.csv", "\n\n", "is empty"),
    ("a.csv", "text,label\n", "a header but no rows"),
    ("a.csv", "text,label\na,b\nc\n", r"should have 2 cells, but line 3 has 1"),
    ("a.csv", "text,label\na,b\nc,d,e\n", r"should have 2 cells, but line 3 has 3 cells: 'c,d,e'"),
    ("a.csv", "text,text\na,b\n", "two columns named 'text'"),
    ("a.csv", "text,label\na,\n", r"line 2: 'label' is empty"),
    ("a.csv", "text,label\n ,x\n", r"line 2: 'text' is empty"),
    ("a.csv", "id,t,v,y\na,1,2,x\na,1,3,x\n", r"line 3: series 'a' has this 't' twice"),
    ("a.csv", "id,t,v,y\na,1,2,x\na,2,3,y\n", r"line 3: 'y' is 'y', but 'x' before"),
    ("a.csv", "id,t,v,y\na,soon,2,x\na,1,3,x\n", r"line 2: 't' holds 'soon', which is not a time"),
    ("a.csv", "v,w\n1,2\n3,4\n", "none that identifies the series"),
    ("a.csv", "only\nx\n", "none of them is clearly the one to predict"),
    ("a.parquet", "no parquet", "is not a Parquet file"),
    ("a.parquet", "", "is empty"),
    ("a.jsonl", "{}\n", "is empty"),
    ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": \n', "line 2 is not valid JSON"),
    ("a.jsonl", "[1]\n", "line 1 contains list"),
    ("a.jsonl", '{"x": [1, "b"], "y": 1}', r"row 1, 'x', step 2, holds 'b'"),
    ("a.jsonl", '{"x": [1], "y": 1}\n{"x": [], "y": 1}', "row 2, 'x' has no steps"),
    ("a.jsonl", '{"x": [[1], [2, 3]], "y": 1}', "different numbers of values"),
    ("a.txt", "", "is empty"),
    ("a.txt", "1 good\nalone\n", "line 2 is 'alone'"),
    ("a.ts", "@classLabel true a b\n", "no series after @data"),
    ("a.ts", "1,2,3\n@data\n", "line 1 is before @data"),
    ("a.ts", "@classLabel true a b\n@data\n1,2:3:a\n", r"line 3 has dimensions of 2, 1 steps"),
    ("a.ts", "@classLabel true a b\n@data\n1,x:a\n", r"line 3, dimension 1, holds 'x'"),
    ("a.ts", "@classLabel true a b\n@data\n1:a\n1:2:b\n", "line 4 has 2 dimensions"),
    ("a.ts", "@data\n1,2\n", "no @classLabel"),
    ("a.csv", "text,label\ngo\0od,x\n", "line 2: 'text' contains NUL"),
    ("a.jsonl", '{"text": "a\0", "label": "x"}', "line 1 is not valid JSON"),
    ("a.txt", "1 go\0od\n", "line 1 contains NUL"),
    ("a.ts", "@classLabel true a\n@data\n1,\0:a\n", "line 3, dimension 1, holds"),
    ("a.ts", "@\n1\n", "line 2 is before @data"),
    ("a.ts", "", "no series after @data"),
    ("a.ts", "@timestamps true\n@classLabel true\n@data\n(0,1):a\n", "time stamps"),
]


@pytest.mark.parametrize(("name", "content", "said"), FAULTS)
def test_faults_are_placed(tmp_path, name, content, said):
    path = _file(tmp_path, name, content)
    with pytest.raises(DataError, match=said) as fault:
        _read(path)
    assert str(path) in str(fault.value)


def test_text_where_numbers_belong(tmp_path):
    path = _file(tmp_path, "a.csv", "id,v,y\na,1,x\na,oops,x\n")
    with pytest.raises(DataError, match=r"line 3: 'v' holds 'oops', but must be numeric"):
        _read(path, values="v", series="id")
    path = _file(tmp_path, "b.csv", "text,score\ngood,1\nbad,low\n")
    with pytest.raises(DataError, match=r"line 3: 'score' holds 'low'"):
        _read(path, numbers=True, target="score")


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ({"target": "lable"}, "no column 'lable': did you mean 'label'"),
        ({"text": "text", "target": "text"}, "'text' is given two roles"),
    ],
)
def test_roles_that_cannot_be(tmp_path, roles, said):
    with pytest.raises(DataError, match=said):
        _read(_file(tmp_path, "a.csv", REVIEWS), **roles)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt", "a.ts"])
def test_marks_and_line_ends_of_other_systems(tmp_path, name):
    whole = DAMAGED[f".{name[2:]}"]
    plain = _read(_file(tmp_path, name, whole)).examples
    other = _file(tmp_path, f"other{name}", b"\xef\xbb\xbf" + whole.replace(b"\n", b"\r\n"))
    assert _read(other).examples.digest() == plain.digest()


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt", "a.ts"])
def test_bytes_that_are_not_utf_8(tmp_path, name):
    content = DAMAGED[f".{name[2:]}"] + "é".encode("latin-1")
    with pytest.raises(DataError, match=r"utf-8|UTF8"):
        _read(_file(tmp_path, name, content))


def test_paths_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        _read(tmp_path / "nothing.csv")
    (tmp_path / "a.xlsx").write_text("x")
    with pytest.raises(DataError, match="does not have the extension of a table"):
        read_table(tmp_path / "a.xlsx")


def test_class_folders(tmp_path):
    for label, texts in {"good": ["a", "b"], "bad": ["c"]}.items():
        (tmp_path / label).mkdir()
        for number, text in enumerate(texts):
            (tmp_path / label / f"{number}.txt").write_text(text)
    found = _read(tmp_path).examples
    assert (found.inputs, found.targets) == (["c", "a", "b"], ["bad", "good", "good"])
    (tmp_path / "bad" / "1.csv").write_text("v\n1\n")
    with pytest.raises(DataError, match=r"is a table, but .* is not"):
        _read(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="none is empty"):
        _read(tmp_path)


def test_class_folders_of_series(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "0.csv").write_text("v,w\n1,2\n3,4\n")
    found = _read(tmp_path).examples
    assert found.inputs[1].tolist() == [[1, 2], [3, 4]]
    (tmp_path / "b" / "1.csv").write_text("v,z\n1,2\n")
    with pytest.raises(DataError, match=r"columns v, z, but .* v, w"):
        _read(tmp_path)
    with pytest.raises(DataError, match="contains no folders"):
        _read(tmp_path / "a")


def test_ts(tmp_path):
    text = "#c\n@univariate false\n@classLabel true a b\n@data\n1,2,3:4,5,?:a\n6:7:b\n"
    found = _read(_file(tmp_path, "a.ts", text)).examples
    assert found.inputs.columns == ("dimension 1", "dimension 2")
    np.testing.assert_array_equal(found.inputs[0], np.float32([[1, 4], [2, 5], [3, np.nan]]))
    assert found.targets == ["a", "b"]
    text = "@targetLabel true\n@data\n1,2:0.5\n"
    assert _read(_file(tmp_path, "b.ts", text), numbers=True).examples.targets.tolist() == [0.5]


def test_ts_that_departs_from_its_header(tmp_path):
    path = _file(tmp_path, "a.ts", "@classLabel true a b\n@data\n1,2:c\n")
    with pytest.raises(DataError, match=r"line 3 has the class 'c', but @classLabel declares a, b"):
        _read(path)


@pytest.mark.parametrize(
    ("content", "about"),
    [
        ("t1,t2,t3,label\n1,2,3,x\n4,5,,y\n", "each row a series of 3 steps, 't1' to 't3'"),
        ("id,t1,t2,t3,label\na,1,2,3,x\nb,4,5,,y\n", "left out 'id'; each row a series"),
    ],
)
def test_a_row_a_series(tmp_path, content, about):
    found = _read(_file(tmp_path, "a.csv", content))
    assert [each.tolist() for each in found.examples.inputs] == [[[1], [2], [3]], [[4], [5]]]
    assert found.examples.targets == ["x", "y"]
    assert about in found.about[1]
    other = _file(tmp_path, "b.csv", content.replace("label", "other").replace("4,5,", "4,,6"))
    asking = with_roles(ReadingSettings(data=[str(other)]), found.roles)
    again = read_examples([str(other)], asking, numbers=False, answered=False).examples
    assert again.targets is None
    np.testing.assert_array_equal(again.inputs[1], np.float32([[4], [np.nan], [6]]))
    with pytest.raises(DataError, match="line 4 contains no value"):
        _read(_file(tmp_path, "c.csv", content + ("z," if "id" in content else "") + ",,,x\n"))


def test_rows_that_are_series_or_steps_by_choice(tmp_path):
    path = _file(tmp_path, "a.csv", "id,v,w,label\na,1,2,x\na,3,4,x\nb,5,6,y\n")
    assert _read(path).examples.inputs.lengths.tolist() == [2, 1]
    found = _read(path, wide=True).examples
    assert found.inputs.lengths.tolist() == [2, 2, 2]
    assert _read(path, series="id").examples.inputs.lengths.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("columns", "series"),
    [
        ("tool,minute,v,w", "tool"),
        ("patient,v,w,z", "patient"),
        ("w,number,v", "number"),
        ("id,t,v,w", "id"),
    ],
)
def test_which_column_is_the_series(tmp_path, columns, series):
    """By its name, or as its values come again and go with one target each."""
    names = columns.split(",")
    lines = []
    for which in range(6):
        own = f"{'p' if series in ('tool', 'patient') else ''}{which}"
        for step in range(4):
            known = {series: own, "minute": step, "t": step, "v": step * 0.5, "w": which, "z": 1.5}
            lines.append(",".join(str(known[name]) for name in names) + f",{'xyz'[which % 3]}")
    found = _read(_file(tmp_path, "a.csv", f"{columns},label\n" + "\n".join(lines)))
    if series == "number":  # w tells series as well, and stands first
        series = "w"
    assert found.roles["series"] == series
    assert found.examples.inputs.lengths.tolist() == [4] * 6
    assert not found.roles["wide"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("id,words,n,label\na1,some words,3,x\na2,other words,4,y\n", "words"),
        ("sequence,label\nacgt,x\nacga,y\n", "sequence"),
        (f"sequence,size,label\n{'acgt' * 20},80,x\n{'acga' * 20},80,y\n", "sequence"),
        ("id,label\nab,x\nab,y\n", "id"),
        ("group,words,label\na,some words,x\na,more,x\nb,others,y\nb,still,y\n", "words"),
    ],
)
def test_which_column_is_the_text(tmp_path, content, text):
    assert _read(_file(tmp_path, "a.csv", content)).roles["text"] == text


def test_order_and_evenness_of_time_are_told(tmp_path):
    rows = ["a,2024-01-03,3,x", "a,2024-01-01,1,x", "b,2024/01/01,1,y", "b,2024/01/09,2,y"]
    path = _file(tmp_path, "a.csv", "id,date,v,label\n" + "\n".join([*rows, "a,2024-01-02,2,x"]))
    found = _read(path)
    assert found.examples.inputs[0].tolist() == [[1], [2], [3]]
    assert len(found.warnings) == 1
    assert "1 series of" in found.warnings[0]
    assert "were not in the order of 'date'" in found.warnings[0]
    path = _file(tmp_path, "b.csv", "id,t,v,label\na,1,1,x\na,2,1,x\na,5,1,x\nb,1,1,y\n")
    assert "differ by more than a fifth" in _read(path).warnings[0]


def test_times_of_two_kinds(tmp_path):
    content = "id,t,v,label\na,1,1,x\na,2024-01-01,1,x\n"
    with pytest.raises(DataError, match=r"line 2: 't' holds '1', which is not a time"):
        _read(_file(tmp_path, "a.csv", content))


def test_a_column_that_is_the_number_asked_for_is_warned_of(tmp_path):
    rows = "".join(
        f"s{i},{t},{(i * 7 + t) % 5},{2 * i + 1},{i}\n" for i in range(12) for t in (1, 2)
    )
    found = _read(_file(tmp_path, "a.csv", "series,time,v,w,y\n" + rows), numbers=True)
    assert len(found.warnings) == 1
    assert "'w' reveals the target: its last value" in found.warnings[0]


def test_texts_that_hold_their_label_are_warned_of(tmp_path):
    rows = [f"{label} {n} words,{label}" for n in range(6) for label in ("Good", "bad")]
    found = _read(_file(tmp_path, "a.csv", "text,label\n" + "\n".join(rows)))
    assert "contains its own label" in found.warnings[0]
    rows[0] = "both good and bad,Good"
    assert _read(_file(tmp_path, "b.csv", "text,label\n" + "\n".join(rows))).warnings == []


def test_a_row_longer_than_a_block_anywhere(tmp_path, monkeypatch):
    monkeypatch.setattr("engram.data.tables.table.BLOCK", 1000)
    texts = [f"text {n}" for n in range(200)]
    texts[120] = "long " * 3000
    path = _file(tmp_path, "a.csv", "text,label\n" + "".join(f"{t},x\n" for t in texts))
    assert _read(path).examples.inputs == texts
    lines = [json.dumps({"text": text, "label": "x"}) for text in texts]
    path = _file(tmp_path, "a.jsonl", "\n".join(lines))
    assert _read(path).examples.inputs == texts
    sizes = [len(block["text"]) for block in read_table(path).blocks()]
    assert len(sizes) > 5
    assert sum(sizes) == 200


def test_parquet_comes_in_blocks_of_few_bytes(tmp_path, monkeypatch):
    import pyarrow
    import pyarrow.parquet

    monkeypatch.setattr("engram.data.tables.table.BLOCK", 10_000)
    rows = pyarrow.table({"text": [f"{n} " * 500 for n in range(60)], "label": ["x", "y"] * 30})
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(rows, path, compression="none", use_dictionary=False)
    assert max(len(block["text"]) for block in read_table(path).blocks()) < 15
    assert _read(path).examples.inputs[59] == "59 " * 500


def test_several_files(tmp_path):
    for number in (1, 2):
        _file(tmp_path, f"{number}.csv", f"text,label\nt{number},x\n")
    found = _read(tmp_path / "*.csv").examples
    assert found.inputs == ["t1", "t2"]
    _file(tmp_path, "3.csv", "id,t,v,label\na,1,2,x\na,2,3,x\n")
    with pytest.raises(DataError, match="some files contain texts and others series"):
        _read(tmp_path / "*.csv")


DAMAGED = {
    ".csv": LONG.encode(),
    ".jsonl": b'{"text": "good", "label": "x"}\n{"text": "bad", "label": "y"}\n',
    ".ts": b"@classLabel true a b\n@data\n1,2,3:4,5,6:a\n6:7:b\n",
    ".txt": b"1 good film\n0 bad film\n",
}


@pytest.mark.parametrize("suffix", [".txt", ".csv"])
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(put=st.binary(max_size=12), at=st.integers(0, 20))
def test_damaged_class_folders_are_refused_or_read(tmp_path, suffix, put, at):
    whole = b"v,w\n1,2\n3,4\n5,6\n"
    for label in "ab":
        (tmp_path / label).mkdir(exist_ok=True)
        damaged = whole[:at] + put + whole[at:] if label == "b" else whole
        (tmp_path / label / f"0{suffix}").write_bytes(damaged)
    said = ""
    try:
        assert _read(tmp_path).examples.targets == ["a", "b"]
    except EngramError as fault:
        said = str(fault)
    assert not said or str(tmp_path) in said


@pytest.mark.parametrize("text", [b"label", b"good film"])
def test_parquet_with_bytes_that_are_no_text(tmp_path, text):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    rows = pyarrow.table({"text": ["good film", "bad film"], "label": ["x", "y"]})
    pyarrow.parquet.write_table(rows, path, compression="none", use_dictionary=False)
    path.write_bytes(path.read_bytes().replace(text, text[:2] + b"\x80" + text[3:]))
    with pytest.raises(DataError, match=r"is not a Parquet file|is damaged"):
        _read(path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [*DAMAGED, ".parquet"])
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_files_are_refused_or_read(tmp_path, suffix, data):
    whole = DAMAGED.get(suffix)
    if whole is None:
        import pyarrow
        import pyarrow.parquet

        path = tmp_path / "whole.parquet"
        rows = pyarrow.table({"text": ["a", "b", "c"], "label": ["x", "y", "x"]})
        pyarrow.parquet.write_table(rows, path)
        whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, min(len(whole), start + 12)))
    put = data.draw(st.one_of(st.binary(max_size=12), st.sampled_from([b'"', b"\0", b",", b"\r"])))
    path = _file(tmp_path, f"a{suffix}", whole[:start] + put + whole[stop:])
    try:
        found = _read(path, numbers=data.draw(st.booleans())).examples
    except EngramError:
        return
    assert len(found.inputs) == len(found.targets) > 0
