"""Files: the old content or the new one, never a part; faults in one sentence."""

import errno
import math
import os

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engram.errors import RunError
from engram.files import (
    cannot,
    copy_atomically,
    read_json,
    with_numbers_of_python,
    write_atomically,
    write_json,
)


def _failing(number):
    def fail(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return fail


def _content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("durable", [True, False])
def test_writes_and_makes_folders(tmp_path, durable):
    path = tmp_path / "a" / "b" / "c.bin"
    write_atomically(path, b"old", durable=durable)
    write_atomically(path, b"new", durable=durable)
    assert _content(path.parent) == {"c.bin": b"new"}


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "No space left on device; free some space; what was saved before is still"),
        (errno.EACCES, "Permission denied; choose a location that you may use"),
        (errno.EROFS, "Read-only file system; choose a writable location"),
        (errno.EIO, "; check the path and the disk"),
    ],
)
def test_failed_write_leaves_the_old(tmp_path, monkeypatch, step, number, text):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, step, _failing(number))
    with pytest.raises(RunError) as caught:
        write_atomically(path, b"new")
    assert str(caught.value).startswith(f"cannot write {path}: ")
    assert text in str(caught.value)
    assert _content(tmp_path) == {"file": b"old"}


def test_failed_open(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr("builtins.open", _failing(errno.EACCES))
    with pytest.raises(RunError, match="Permission denied"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert _content(tmp_path) == {"file": b"old"}


@pytest.mark.parametrize("below", ["x", "x/y"])
def test_a_file_in_the_way_of_a_folder(tmp_path, below):
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(RunError, match=r"cannot write .*file"):
        write_atomically(tmp_path / "file" / below, b"new")
    with pytest.raises(RunError, match=r"cannot write .*file"):
        copy_atomically(tmp_path / "file", tmp_path / "file" / below)
    assert _content(tmp_path) == {"file": b"old"}


@pytest.mark.parametrize("links", [True, False])
def test_copies(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", _failing(errno.EPERM))
    source, target = tmp_path / "source", tmp_path / "folder" / "target"
    for content in (b"one", b"two"):
        write_atomically(source, content)
        copy_atomically(source, target)
        assert _content(target.parent) == {"target": content}
    write_atomically(source, b"three")
    assert target.read_bytes() == b"two"


def test_failed_copy_leaves_the_old(tmp_path, monkeypatch):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "replace", _failing(errno.ENOSPC))
    with pytest.raises(RunError, match=f"cannot write {target}: No space left on device"):
        copy_atomically(source, target)
    assert _content(tmp_path) == {"source": b"new", "target": b"old"}


def test_missing_source(tmp_path):
    with pytest.raises(RunError, match="No such file or directory; check the path"):
        copy_atomically(tmp_path / "none", tmp_path / "target")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b'{"a": 1', "line 1 column 8"),
        (b"", "line 1 column 1"),
        (b"[1,\n2,,3]", "line 2 column 3"),
        (b'"\xff"', "can't decode byte 0xff"),
    ],
)
def test_damaged_json(tmp_path, content, text):
    path = tmp_path / "value.json"
    path.write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path} is damaged: ")
    assert text in str(caught.value)


def test_missing_json(tmp_path):
    with pytest.raises(RunError, match=r"cannot read .*none\.json: No such file or directory"):
        read_json(tmp_path / "none.json")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@hypothesis_settings(deadline=None, derandomize=True, max_examples=60)
@given(value=_JSON)
def test_json_round_trip(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "round-trip.json"
    write_json(path, value)
    assert read_json(path) == value


def test_json_with_half_a_surrogate_pair(tmp_path):
    write_json(tmp_path / "value.json", {"characters": "a\ud800ä"})
    assert read_json(tmp_path / "value.json") == {"characters": "a\ud800ä"}


def test_cannot_without_a_reason(tmp_path):
    assert cannot("read", tmp_path, OSError("odd")) == (
        f"cannot read {tmp_path}: odd; check the path and the disk"
    )


def test_numbers_that_json_lacks(tmp_path):
    value = {"a": [math.inf, -math.inf, 1.5], "b": (math.nan,)}
    write_json(tmp_path / "x.json", value)
    again = read_json(tmp_path / "x.json")
    assert again == {"a": ["Infinity", "-Infinity", 1.5], "b": ["NaN"]}
    back = with_numbers_of_python(again)
    assert back["a"] == value["a"]
    assert math.isnan(back["b"][0])


def test_json_that_is_nested_too_deeply(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" * 200_000 + "]" * 200_000)
    with pytest.raises(RunError, match=r"a\.json is damaged"):
        read_json(path)


def test_a_file_that_no_training_wrote_is_not_read_whole(tmp_path):
    path = tmp_path / "a.json"
    with open(path, "wb") as file:
        file.truncate(1 << 33)  # takes no room on the disk
    with pytest.raises(RunError, match=r"8,589,934,592 bytes"):
        read_json(path)


def test_a_copy_onto_a_link_to_the_same_file_leaves_nothing(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    for _ in range(2):
        copy_atomically(tmp_path / "a", tmp_path / "b")
    assert _content(tmp_path) == {"a": b"1", "b": b"1"}
