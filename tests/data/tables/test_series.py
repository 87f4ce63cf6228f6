"""A table as one series: what is read, what is left out, and faults with their line."""

import contextlib
import csv
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engram.data.tables.reading import read_table
from engram.data.tables.series import series_of
from engram.errors import DataError


def _series(path):
    return series_of(read_table(path))


def _read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding=encoding, newline="")
    return _series(path)


def test_a_table(tmp_path):
    text = 'day,heat, rain\n"1, Mon",21.5,\n"2, Tue",-3,NA\n"3, Wed",1e3,0\n'
    names, values, others = _read(tmp_path, text)
    assert names == ("heat", "rain")
    assert others == ["day"]
    assert values[:, 0].tolist() == [21.5, -3.0, 1000.0]
    assert np.isnan(values[:, 1]).tolist() == [True, True, False]
    assert values.dtype == np.float32


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators_and_endings(tmp_path, separator, ending, encoding):
    rows = [["a", "b"], ["1", "2"], ["3", "4"]]
    text = ending.join(separator.join(row) for row in rows)
    names, values, _ = _read(tmp_path, text, encoding)
    assert (names, values.tolist()) == (("a", "b"), [[1, 2], [3, 4]])


def test_without_a_header_and_with_empty_lines(tmp_path):
    names, values, _ = _read(tmp_path, "1,2\n\n3,4\n\n")
    assert (names, values.tolist()) == (("column 1", "column 2"), [[1, 2], [3, 4]])


def test_a_row_of_missing_cells_is_a_step(tmp_path):
    _, values, _ = _read(tmp_path, "a,b\n1,2\n,\n3,4\n")
    assert np.isnan(values[:, 0]).tolist() == [False, True, False]


def test_an_empty_column_is_no_series(tmp_path):
    names, _, others = _read(tmp_path, "a,b,c\n1,,x\n2,,y\n")
    assert (names, others) == (("a",), ["b", "c"])


FAULTS = [
    ("", " is empty; give a file that contains a table"),
    ("\n\n", " is empty; give a file that contains a table"),
    (
        "a,b\n1,2\n\n1,2,3\n",
        ": each row should have 2 cells, but line 4 has 3 cells: '1,2,3'; fix it",
    ),
    ("a,b\n1,2\n \n3,4\n", ": each row should have 2 cells, but line 3 has 1 cells: ''; fix it"),
    ("a,b\nx,y\n", " has no numeric column among a, b; give a table that has one"),
    ("a,b\n", " contains a header but no rows; give a file that has rows"),
    ("a,b\n1,inf\n", " line 2: 'b' is infinite; give a finite number of at most 3.4e+38"),
    ("a,b\n1,-1e400\n", " line 2: 'b' is infinite; give a finite number of at most 3.4e+38"),
    ("a,b\n1,1e300\n", " line 2: 'b' is 1e+300; give a finite number of at most 3.4e+38"),
    (
        "a\n1\n2\n3\noops\n",
        " line 5: 'a' holds 'oops', but must be numeric; fix it, or leave the column out",
    ),
    (
        'a,b\n1,"v"\n1,"x"\n2,"y\n3,z\n',
        " line 4 has a quote that is never closed; close it, double it if it is part of the text, "
        "or use --quotes none",
    ),
]


@pytest.mark.parametrize(("text", "said"), FAULTS, ids=[repr(t) for t, _ in FAULTS])
def test_faults(tmp_path, text, said):
    with pytest.raises(DataError) as fault:
        _read(tmp_path, text)
    assert str(fault.value) == f"{tmp_path / 'table.csv'}{said}"


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.csv"):
        _series(tmp_path / "nothing.csv")
    (tmp_path / "bytes.csv").write_bytes(b"a,b\n1,1\n\xff\xfe,1\n")
    with pytest.raises(DataError, match=r"bytes.csv: byte offset 8 \(0xff\) is not utf-8"):
        _series(tmp_path / "bytes.csv")


CELL = st.one_of(st.floats(-(2.0**99), 2.0**99, width=32), st.just(math.nan), st.none())


@given(
    data=st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=8
        )
    )
)
@hypothesis_settings(deadline=None, derandomize=True, max_examples=200)
def test_what_is_written_is_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    names = [f"name {number}" for number in range(len(data[0]))]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";")
    writer.writerows([names, *data])
    path.write_text(out.getvalue(), newline="")
    expected = [[math.nan if v is None else v for v in row] for row in data]
    kept = [n for n in range(len(names)) if any(not math.isnan(row[n]) for row in expected)]
    if not kept:
        return
    found, values, _ = _series(path)
    assert found == tuple(names[n] for n in kept)
    np.testing.assert_array_equal(values, np.float32([[row[n] for n in kept] for row in expected]))


@given(content=st.binary(max_size=200))
@hypothesis_settings(deadline=None, derandomize=True, max_examples=200)
def test_any_content_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "table.csv"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        names, values, _ = _series(path)
        assert values.shape[1] == len(names) >= 1
        assert not np.isinf(values).any()
