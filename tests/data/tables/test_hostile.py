"""Files that are damaged, or made to do harm: the right value or fault, soon, in little memory."""

import json
import os
import struct
import time
import zlib

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from engram.data.labelled.reading import ReadingSettings, read_examples
from engram.data.panels.reading import PanelSettings, read_panels
from engram.data.tables import parquet_files
from engram.data.tables.checked import texts_in
from engram.data.tables.reading import read_table
from engram.errors import DataError


def _read(path, **roles):
    chosen = ReadingSettings(data=[str(path)], **roles)
    return read_examples(chosen.data, chosen, numbers=False).examples


def _fault(path, **roles):
    with pytest.raises(DataError) as fault:
        _read(path, **roles)
    return str(fault.value)


@pytest.mark.parametrize("written", ["1" + "0" * 400, "1e400", "-1e400", "Infinity"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_numbers_beyond_all_bounds(tmp_path, written, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        path.write_text(f"id,v,y\na,1,x\na,{written.replace('Infinity', 'inf')},x\n")
    else:
        path.write_text(
            '{"id": "a", "v": 1, "y": "x"}\n{"id": "a", "v": ' + written + ', "y": "x"}\n'
        )
    assert "line 2" in _fault(path) if suffix == "jsonl" else "line 3" in _fault(path)
    assert "'v' is infinite; give a finite number" in _fault(path)


def test_digits_that_python_does_not_convert(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"v": ' + "1" * 5000 + ', "y": "x"}')
    assert "a.jsonl line 1 is not valid JSON" in _fault(path)


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize("sign", ["[", '{"a":'])
def test_deep_json(tmp_path, suffix, sign):
    path = tmp_path / f"a.{suffix}"
    path.write_text(sign * 200_000)
    assert "is not valid JSON" in _fault(path)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "ts", "txt"])
def test_lines_of_nul_alone(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"\0\0\0\n" * 5)
    assert str(path) in _fault(path)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "txt"])
def test_a_row_longer_than_any(tmp_path, suffix, monkeypatch):
    for module in ("engram.data.text.decoding", "engram.data.tables.table"):
        monkeypatch.setattr(f"{module}.LONGEST", 1 << 20)
    monkeypatch.setattr("engram.data.tables.table.BLOCK", 1 << 16)
    path = tmp_path / f"a.{suffix}"
    path.write_text("text,the label\nshort,x\n" + "long " * 500_000 + ",y\n")
    if suffix == "txt":
        path.write_text("x short\ny " + "long " * 500_000)
    if suffix == "jsonl":
        path.write_text(json.dumps({"text": "long " * 500_000, "label": "x"}))
    assert "more than 1 MB; s" in _fault(path)


def test_many_columns_take_time_in_proportion(tmp_path):
    def seconds(count):
        path = tmp_path / f"{count}.csv"
        names = [f"c{place}" for place in range(count)]
        rows = [[str(place * row % 7) for place in range(count)] for row in range(4)]
        lines = [",".join([*cells, "xy"[row % 2]]) for row, cells in enumerate(rows)]
        path.write_text("\n".join([",".join([*names, "label"]), *lines]))
        start = time.process_time()
        assert _read(path).inputs.lengths.tolist() == [count] * 4
        return time.process_time() - start

    seconds(100)
    assert seconds(16_000) < 40 * seconds(1000) + 2.0


def test_many_series_side_by_side(tmp_path):
    path = tmp_path / "a.csv"
    rows = [",".join(str(place % 7 + row) for place in range(2000)) for row in range(5)]
    path.write_text("\n".join([",".join(f"c{place}" for place in range(2000)), *rows]))
    panel = read_panels(PanelSettings(data=[str(path)])).panel
    assert len(panel) == 2000
    assert panel.target(9).tolist() == [2, 3, 4, 5, 6]


NAMES = ["a" * 300, "a\0b", "x/" * 3000]


@pytest.mark.parametrize("name", NAMES, ids=["long", "nul", "deep"])
def test_names_that_no_file_can_have(name):
    assert "check the path" in _fault(f"{name}.csv")


def test_names_that_are_not_utf_8(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv")
    with open(path, "w") as file:
        file.write("text,label\ngood,1\nbad,0\n")
    assert _read(path).inputs == ["good", "bad"]
    assert _read(tmp_path / "*.csv").inputs == ["good", "bad"]


def _parquet(path, **columns):
    pyarrow.parquet.write_table(pyarrow.table(columns), path, compression="zstd")
    return path


def test_a_small_parquet_file_that_unpacks_to_gigabytes(tmp_path):
    text = pyarrow.array(["a" * 1_000_000])
    many = pyarrow.DictionaryArray.from_arrays(np.zeros(20_000, dtype=np.int32), text)
    path = _parquet(tmp_path / "a.parquet", text=many, label=["x", "y"] * 10_000)
    assert path.stat().st_size < 20_000
    said = _fault(path)
    assert "unpacks to 20,000 rows of" in said
    assert "give a smaller file" in said


def test_a_parquet_file_of_too_many_rows(tmp_path, monkeypatch):
    path = _parquet(tmp_path / "a.parquet", text=["a b"] * 3_000_000, label=["x"] * 3_000_000)
    monkeypatch.setattr(parquet_files, "_MOST_ROWS", 1_000_000)
    monkeypatch.setattr(parquet_files, "_RATIO", 10)
    assert "unpacks to 3,000,000 rows" in _fault(path)


def test_parquet_columns_of_bytes_are_texts(tmp_path):
    path = _parquet(tmp_path / "a.parquet", text=[b"caf\xc3\xa9", b"tea"], label=[b"x", b"y"])
    found = _read(path)
    assert (found.inputs, found.targets) == (["café", "tea"], ["x", "y"])
    path = _parquet(
        tmp_path / "b.parquet", text=["one", "two"], label=["x", "y"], raw=[b"\xff"] * 2
    )
    assert _read(path, text="text").inputs == ["one", "two"]
    table = read_table(path)
    with pytest.raises(DataError, match="row 1: 'raw' contains NUL or bytes that are not UTF-8"):
        list(texts_in(table, "raw", next(table.blocks()), 0))


def _png(width, height):
    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


@pytest.mark.parametrize(("width", "height"), [(9000, 9000), (12_000, 12_000), (60_000, 60_000)])
def test_an_image_that_claims_to_be_huge(tmp_path, width, height):
    pytest.importorskip("PIL")
    from engram.data.images.pictures import read_image

    path = tmp_path / "a.png"
    path.write_bytes(_png(width, height))
    with pytest.raises(DataError, match=r"a\.png is .*make it smaller"):
        read_image(path)
