import hashlib
import json
import random
import shutil
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engram.data.fetching import download as downloads
from engram.data.fetching.download import digest_of, download
from engram.errors import DataError
from helpers.serving import serving

CONTENT = random.Random(0).randbytes(5000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def shelf():
    with serving() as made:
        made.files["/a.bin"] = CONTENT
        yield made


@pytest.fixture(scope="module")
def server():
    """One for all examples of a property."""
    with serving() as made:
        yield made


def get(shelf, tmp_path, **values):
    given = {"size": len(CONTENT), "sha256": DIGEST, "pause": 0.0} | values
    return download(f"{shelf.address}/a.bin", tmp_path / "a.bin", **given)


def only_the_file_is_there(tmp_path):
    return [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_file_comes_whole(shelf, tmp_path):
    seen = []
    digest = get(shelf, tmp_path, show=lambda *given: seen.append(given))
    assert digest == DIGEST == digest_of(tmp_path / "a.bin")
    assert seen[0] == ("a.bin", 0, 5000)
    assert seen[-1] == ("a.bin", 5000, 5000)
    assert only_the_file_is_there(tmp_path)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("breaks", [[0], [1], [2500], [4999], [10, 10, 10], [2000, 0, 0, 1]])
def test_a_broken_download_goes_on(shelf, tmp_path, breaks, ranges):
    shelf.ranges, shelf.breaks = ranges, list(breaks)
    assert get(shelf, tmp_path) == DIGEST
    assert only_the_file_is_there(tmp_path)
    if ranges:
        assert shelf.asked[-1][1] in (None, f"bytes={sum(breaks)}-")


def test_a_later_call_goes_on(shelf, tmp_path):
    shelf.breaks = [3000] + [0] * 9
    with pytest.raises(DataError, match=r"the downloaded part is kept \(3,000 of 5,000 bytes\)"):
        get(shelf, tmp_path)
    assert not (tmp_path / "a.bin").exists()
    shelf.breaks.clear()
    shelf.asked.clear()
    assert get(shelf, tmp_path) == DIGEST
    assert shelf.asked == [("/a.bin", "bytes=3000-")]


def test_ctrl_c_keeps_what_came(shelf, tmp_path):
    def stop(_, done, __):
        if done:
            raise KeyboardInterrupt

    shelf.breaks = [1000]
    with pytest.raises(KeyboardInterrupt):
        get(shelf, tmp_path, show=stop)
    assert (tmp_path / "a.bin.part").read_bytes() == CONTENT[:1000]
    assert get(shelf, tmp_path) == DIGEST


@pytest.mark.parametrize("tag", ['"two"', None])
def test_a_file_that_changed_meanwhile_is_fetched_anew(shelf, tmp_path, tag):
    other = bytes(reversed(CONTENT))
    shelf.files["/a.bin"], shelf.breaks = other, [3000] + [0] * 9
    with pytest.raises(DataError, match="is kept"):
        get(shelf, tmp_path)
    shelf.files["/a.bin"], shelf.tag = CONTENT, tag
    shelf.breaks.clear()
    assert get(shelf, tmp_path) == DIGEST
    assert only_the_file_is_there(tmp_path)


def test_without_digest_or_mark_nothing_is_put_together(shelf, tmp_path):
    shelf.tag, shelf.breaks = None, [3000]
    assert get(shelf, tmp_path, sha256=None) == DIGEST
    assert [wanted for _, wanted in shelf.asked] == [None, None]


def test_what_another_call_left_in_pieces_is_no_fault(shelf, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"x" * 9999)
    assert get(shelf, tmp_path) == DIGEST
    (tmp_path / "a.bin").unlink()
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:10])
    (tmp_path / "a.bin.part.json").write_text("{damaged")
    assert get(shelf, tmp_path) == DIGEST
    assert only_the_file_is_there(tmp_path)


def test_a_wrong_digest(shelf, tmp_path):
    with pytest.raises(DataError, match=f"its SHA-256 is {DIGEST} instead of 0000"):
        get(shelf, tmp_path, sha256="0" * 64)
    assert not list(tmp_path.iterdir())


def test_a_part_with_wrong_bytes_is_thrown_away(shelf, tmp_path):
    shelf.breaks = [3000] + [0] * 9
    with pytest.raises(DataError):
        get(shelf, tmp_path)
    (tmp_path / "a.bin.part").write_bytes(b"x" * 3000)
    shelf.breaks.clear()
    assert get(shelf, tmp_path) == DIGEST


def test_a_server_that_does_not_say_how_much_it_has(shelf, tmp_path):
    shelf.counted = False
    assert get(shelf, tmp_path, sha256=None) == DIGEST
    with pytest.raises(DataError, match="has more now, and 4,000 bytes when it was listed"):
        get(shelf, tmp_path, sha256=None, size=4000)
    assert only_the_file_is_there(tmp_path)


@given(
    content=st.binary(min_size=1, max_size=300),
    breaks=st.lists(st.integers(0, 300), max_size=12),
    left=st.none() | st.binary(max_size=400),
    same_tag=st.booleans(),
    ranges=st.booleans(),
    tag=st.sampled_from(['"one"', 'W/"one"', None]),
    known=st.booleans(),
)
def test_never_a_wrong_file(
    server, tmp_path_factory, content, breaks, left, same_tag, ranges, tag, known
):
    """Whatever breaks, and whatever an earlier call left: the right file, or none."""
    server.files["/a.bin"], server.breaks = content, list(breaks)
    server.ranges, server.tag = ranges, tag
    folder = tmp_path_factory.mktemp("some")
    url = f"{server.address}/a.bin"
    if left is not None:
        mark = tag if same_tag and known else '"before"'
        (folder / "a.bin.part").write_bytes(left)
        (folder / "a.bin.part.json").write_text(json.dumps({"url": url, "mark": mark}))
    digest = hashlib.sha256(content).hexdigest()
    for _ in range(9):
        try:
            values = {"size": len(content), "sha256": digest if known else None, "pause": 0.0}
            assert download(url, folder / "a.bin", **values) == digest
            break
        except DataError:
            assert not (folder / "a.bin").exists()
    assert (folder / "a.bin").read_bytes() == content
    assert only_the_file_is_there(folder)


def test_another_size(shelf, tmp_path):
    with pytest.raises(DataError, match="has 5,000 bytes now, and 4,000 bytes when it was listed"):
        get(shelf, tmp_path, size=4000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("status", "tries"), [(503, 3), (429, 1)])
def test_trouble_that_passes(shelf, tmp_path, status, tries):
    shelf.status, shelf.troubles = status, tries
    assert get(shelf, tmp_path) == DIGEST


def test_trouble_that_stays(shelf, tmp_path):
    shelf.troubles = 99
    with pytest.raises(DataError, match=r"answers 503 .*; nothing was changed. Try again"):
        get(shelf, tmp_path)
    assert len(shelf.asked) < 10


def test_a_file_that_is_not_there(shelf, tmp_path):
    shelf.files.clear()
    with pytest.raises(DataError, match=r"answers 404 .*put it into .* and the same command"):
        get(shelf, tmp_path)
    assert len(shelf.asked) == 1


def test_no_network(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a.bin"
        with pytest.raises(DataError, match=r"cannot reach 127.0.0.1:\d+ .*nothing was changed"):
            download(url, tmp_path / "a.bin", size=5000, sha256=DIGEST, pause=0.0)
    assert not list(tmp_path.iterdir())


def test_a_server_that_says_nothing(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.bin"
        with pytest.raises(DataError, match="does not answer"):
            download(url, tmp_path / "a.bin", size=5000, pause=0.0, patience=0.05)


def test_a_full_disk(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 5))
    with pytest.raises(DataError, match=r"has 5 bytes free, and a\.bin needs 5,000 more"):
        get(shelf, tmp_path)
    assert not shelf.asked


def test_a_disk_that_fills_meanwhile(shelf, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads, "_write", full)
    with pytest.raises(DataError, match=r"a.bin.*[Nn]o space"):
        get(shelf, tmp_path)
