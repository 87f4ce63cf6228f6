"""Columns of numbers from CSV: what is read, what is left out, and faults with their line."""

import contextlib
import csv
import io
import math

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engram.data.columns import read_columns
from engram.errors import DataError


def _read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding=encoding, newline="")
    return read_columns(path)


def test_a_table(tmp_path):
    table = _read(tmp_path, 'day,heat, rain\n"1, Mon",21.5,\n2,-3,NA\n3,1e3,0\n')
    assert table.names == ["heat", "rain"]
    assert table.skipped == ["day"]
    assert table.values[:, 0].tolist() == [21.5, -3.0, 1000.0]
    assert table.values[:, 1].isnan().tolist() == [True, True, False]
    assert table.values.dtype == torch.float32


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators_and_endings(tmp_path, separator, ending, encoding):
    rows = [["a", "b"], ["1", "2"], ["3", "4"]]
    text = ending.join(separator.join(row) for row in rows)
    table = _read(tmp_path, text, encoding)
    assert (table.names, table.values.tolist()) == (["a", "b"], [[1, 2], [3, 4]])


def test_without_a_header_and_with_empty_lines(tmp_path):
    table = _read(tmp_path, "1,2\n\n3,4\n\n")
    assert (table.names, table.values.tolist()) == (["column 1", "column 2"], [[1, 2], [3, 4]])


def test_a_row_of_missing_cells_is_a_step(tmp_path):
    table = _read(tmp_path, "a,b\n1,2\n,\n \n3,4\n")
    assert table.values[:, 0].isnan().tolist() == [False, True, False]


def test_infinity_is_no_number_and_an_empty_column_no_series(tmp_path):
    table = _read(tmp_path, "a,b,c\n1,inf,\n2,3,\n")
    assert (table.names, table.skipped) == (["a"], ["b", "c"])


FAULTS = [
    ("", "is empty; name a file that holds a table"),
    ("\n\n", "is empty; name a file that holds a table"),
    ("a,b\n1,2\n\n1,2,3\n", "has 3 cells in line 4, and 2 in its first; mend it"),
    ("a,b\nx,y\n", "has no column of numbers among a, b; name a table that has one"),
    ("a,b\n", "has no column of numbers among a, b; name a table that has one"),
]


@pytest.mark.parametrize(("text", "said"), FAULTS, ids=[repr(t) for t, _ in FAULTS])
def test_faults(tmp_path, text, said):
    with pytest.raises(DataError) as fault:
        _read(tmp_path, text)
    assert str(fault.value) == f"{tmp_path / 'table.csv'} {said}"


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.csv"):
        read_columns(tmp_path / "nothing.csv")
    (tmp_path / "bytes.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(DataError, match=r"bytes.csv is no CSV text in UTF-8: .*; save it as that"):
        read_columns(tmp_path / "bytes.csv")


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
    table = read_columns(path)
    assert table.names == [names[n] for n in kept]
    values = torch.tensor([[row[n] for n in kept] for row in expected], dtype=torch.float32)
    torch.testing.assert_close(table.values, values, rtol=0, atol=0, equal_nan=True)


@given(content=st.binary(max_size=200))
@hypothesis_settings(deadline=None, derandomize=True, max_examples=200)
def test_any_content_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "table.csv"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        table = read_columns(path)
        assert table.values.shape[1] == len(table.names) >= 1
        assert not table.values.isinf().any()
