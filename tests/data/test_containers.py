"""Compressed files are read as what they contain; bombs and damaged ones are refused."""

import bz2
import gzip
import lzma
import zipfile

import pyarrow
import pytest

from engram.data import containers
from engram.data.containers import inner_suffix, is_packed, unpacked
from engram.errors import DataError

TEXT = b"date,v\n2024-01-01,1\n" * 300


def _zst(raw):
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as out:
        out.write(raw)
    return sink.getvalue().to_pybytes()


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": _zst}


def _zip(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            archive.writestr(name.replace("_csv", ".csv"), raw)
    return path


def _read(path):
    with unpacked(path) as file:
        return file.read()


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("name", ["a.csv", "a"])
def test_what_is_packed_is_read(tmp_path, kind, name):
    path = tmp_path / f"{name}.{kind}"
    path.write_bytes(PACKERS[kind](TEXT))
    assert is_packed(path.read_bytes()[:16])
    assert _read(path) == TEXT
    assert inner_suffix(path) == (".csv" if "." in name else "")


def test_a_zip_archive_of_one_file(tmp_path):
    path = _zip(tmp_path / "a.zip", sales_csv=TEXT, **{"__MACOSX/x": b"", ".hidden": b""})
    assert _read(path) == TEXT
    assert inner_suffix(path) == ".csv"


@pytest.mark.parametrize("raw", [b"plain text", b"BZh is a text", b"", b"PK"])
def test_other_files_stay_as_they_are(tmp_path, raw):
    (tmp_path / "a.gz").write_bytes(raw)
    assert not is_packed(raw)
    assert _read(tmp_path / "a.gz") == raw


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"a_csv": b"1", "b_csv": b"2"}, r"contains 2 files \(a\.csv, b\.csv\); unpack it"),
        ({".hidden": b""}, r"contains 0 files \(nothing\)"),
        ({"[Content_Types].xml": b"", "xl/w.xml": b""}, "is an office document; save it as"),
    ],
)
def test_archives_that_are_not_one_file(tmp_path, members, said):
    with pytest.raises(DataError, match=said):
        _read(_zip(tmp_path / "a.zip", **members))


@pytest.mark.parametrize("kind", [*PACKERS, "zip"])
@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_damaged_ones_are_refused(tmp_path, kind, keep):
    path = tmp_path / f"a.{kind}"
    path.write_bytes(PACKERS[kind](TEXT)) if kind != "zip" else _zip(path, a_csv=TEXT)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(keep * len(raw))])
    with pytest.raises(DataError, match="is damaged"):
        _read(path)


def test_bombs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "_MOST", 1 << 20)
    monkeypatch.setattr(containers, "_RATIO", 100)
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(1 << 24)))
    with pytest.raises(DataError, match="unpacks to too much"):
        _read(tmp_path / "a.gz")
