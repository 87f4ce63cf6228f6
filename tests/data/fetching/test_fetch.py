import gzip
import hashlib
import io
import tarfile

import pytest

from engram.cli.main import main
from engram.data.fetching.archive import unpack
from engram.data.fetching.catalogue import SETS, Archive, PublicSet, Remote, set_by_name
from engram.data.fetching.fetch import RECORD, fetch
from engram.errors import ConfigError, DataError
from engram.tasks.registry import TASKS
from helpers.serving import serving

ARCHIVE = Archive("top", ("top/kept/",), 100_000)


@pytest.fixture
def shelf():
    with serving() as made:
        yield made


def set_of(shelf, contents, *, known=True, archive=None):
    files = []
    for name, content in contents.items():
        shelf.files[f"/{name}"] = content
        digest = hashlib.sha256(content).hexdigest() if known else None
        files.append(Remote(f"{shelf.address}/{name}", len(content), digest, archive))
    return PublicSet("x", "a set", "classify", "here", "none", tuple(files), "engram …")


def packed(*members, kind=tarfile.REGTYPE):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.type = len(content), kind
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


@pytest.mark.parametrize("known", [True, False])
def test_what_is_missing_is_fetched(shelf, tmp_path, known):
    chosen = set_of(shelf, {"a": b"aaa", "b": b"bb"}, known=known)
    told = []
    fetch(chosen, tmp_path / "x", tell=told.append)
    assert (tmp_path / "x/a").read_bytes() == b"aaa"
    assert ("first download" in told[0]) is not known
    sums = (tmp_path / "x" / RECORD).read_text()
    assert f"{hashlib.sha256(b'aaa').hexdigest()}  a\n" in sums
    shelf.asked.clear()
    fetch(chosen, tmp_path / "x")
    assert not shelf.asked
    (tmp_path / "x/b").unlink()
    fetch(chosen, tmp_path / "x")
    assert [path for path, _ in shelf.asked] == ["/b"]


def test_the_first_download_is_trusted_and_later_ones_compared(shelf, tmp_path):
    chosen = set_of(shelf, {"a": b"aaa"}, known=False)
    fetch(chosen, tmp_path)
    (tmp_path / "a").unlink()
    shelf.files["/a"] = b"abc"
    with pytest.raises(DataError, match="is damaged or has changed"):
        fetch(chosen, tmp_path, pause=0.0)


def test_a_file_put_there_by_hand(shelf, tmp_path):
    chosen = set_of(shelf, {"a": b"aaa"})
    (tmp_path / "a").write_bytes(b"aaa")
    fetch(chosen, tmp_path)
    (tmp_path / "a").write_bytes(b"aab")
    with pytest.raises(DataError, match=r"is not the file that .* serves"):
        fetch(chosen, tmp_path)
    assert (tmp_path / "a").read_bytes() == b"aab"
    assert not shelf.asked


def test_a_damaged_record_is_named(shelf, tmp_path):
    chosen = set_of(shelf, {"a": b"aaa"})
    (tmp_path / RECORD).write_text("nonsense\n")
    with pytest.raises(DataError, match="line 1: not a SHA-256 and a file name"):
        fetch(chosen, tmp_path)


def test_an_archive_is_unpacked(shelf, tmp_path):
    content = packed(("top/kept/a.txt", b"a"), ("top/other/b.txt", b"b"))
    chosen = set_of(shelf, {"x.tar.gz": content}, archive=ARCHIVE)
    fetch(chosen, tmp_path)
    assert (tmp_path / "top/kept/a.txt").read_bytes() == b"a"
    assert not (tmp_path / "top/other").exists()
    (tmp_path / "x.tar.gz").unlink()
    shelf.asked.clear()
    fetch(chosen, tmp_path)
    assert not shelf.asked


BAD = {
    "leads up": (packed(("top/kept/../../../a", b"a")), "points outside the folder"),
    "too much": (packed(("top/kept/a", b"\0" * 200_000)), "unpacks to more than 100,000 bytes"),
    "nothing": (packed(("top/other/a", b"a")), "contains nothing below"),
    "links alone": (packed(("top/kept/a", b""), kind=tarfile.SYMTYPE), "contains nothing below"),
    "no archive": (b"text", "is damaged"),
    "cut off": (packed(("top/kept/a", bytes(range(256)) * 200))[:-60], "is damaged"),
    "no tar": (gzip.compress(b"text"), "is damaged|holds nothing"),
}


@pytest.mark.parametrize("case", BAD)
def test_archives_that_are_refused(tmp_path, case):
    content, message = BAD[case]
    (tmp_path / "x.tar.gz").write_bytes(content)
    with pytest.raises(DataError, match=message):
        unpack(tmp_path / "x.tar.gz", ARCHIVE, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar.gz"]


@pytest.mark.parametrize("name", SETS)
def test_the_catalogue(name):
    chosen = set_by_name(name)
    assert chosen.task in {*TASKS, "language-model"}
    assert chosen.command.startswith(f"engram train {chosen.task} ")
    assert "{folder}" in chosen.command
    for file in chosen.files:
        assert file.url.startswith("https://")
        assert file.size > 0
        assert file.sha256 is None or len(file.sha256) == 64
        assert file.archive is None or file.name.endswith(".tar.gz")


@pytest.mark.parametrize("name", SETS)
def test_the_command_of_a_set_is_one(name, capsys):
    command = set_by_name(name).command.format(folder="data")
    assert main([*command.split()[1:], "--print-config"]) == 0
    assert "data/" in capsys.readouterr().out


def test_a_set_that_is_not_there():
    with pytest.raises(ConfigError, match=r"'choralls' is not a public data set.*chorales"):
        set_by_name("choralls")
