"""Reading text: what is taken, what is left out, and what a fault says."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engram.data.containers import is_packed
from engram.data.text.decoding import by_mark, foreign
from engram.data.text.documents import read_text
from engram.errors import DataError


def _write(folder, **contents):
    """Files by name; two underscores stand for a slash and a trailing name for its ending."""
    for name, content in contents.items():
        path = folder / (name.replace("__", "/") + ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def _names(text, folder):
    return [str(Path(name).relative_to(folder)) for name in text.names]


def _skipped(text, folder):
    return [str(Path(name).relative_to(folder)) for name in text.skipped]


def _fault(*paths, **options):
    with pytest.raises(DataError) as caught:
        read_text(paths, **options)
    return str(caught.value)


def test_files_in_the_given_order(tmp_path):
    _write(tmp_path, b="two", a="one")
    text = read_text([tmp_path / "b.txt", str(tmp_path / "a.txt")])
    assert text.documents == ["two", "one"]
    assert _names(text, tmp_path) == ["b.txt", "a.txt"]
    assert text.characters == 6
    assert text.skipped == []


def test_folder(tmp_path):
    _write(tmp_path, b="b", a="a", sub__z="z", sub__c="c", sub__deep__d="d", empty="", bom="\ufeff")
    _write(tmp_path, binary=b"PK\0\1", __pycache____x="no")
    _write(tmp_path, sub__none="")
    (tmp_path / ".hidden").write_text("no")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("no")
    text = read_text([tmp_path])
    expected = ["a.txt", "b.txt", "sub/c.txt", "sub/z.txt", "sub/deep/d.txt"]
    assert _names(text, tmp_path) == expected
    assert text.documents == ["a", "b", "c", "z", "d"]
    assert _skipped(text, tmp_path) == ["binary.txt", "bom.txt", "empty.txt", "sub/none.txt"]
    assert read_text([tmp_path]) == text


def test_binary_past_the_first_bytes_of_a_folder_s_file_is_text(tmp_path):
    content = "a" * 9000 + "\0"
    _write(tmp_path, late=content)
    assert read_text([tmp_path]).documents == [content]


def test_links_to_folders_are_not_followed(tmp_path):
    _write(tmp_path, sub__a="a")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert read_text([tmp_path]).documents == ["a"]


def test_glob(tmp_path):
    _write(tmp_path, b="b", a="a", sub__c="c")
    assert read_text([f"{tmp_path}/*.txt"]).documents == ["a", "b"]
    assert sorted(read_text([f"{tmp_path}/**/*.txt"]).documents) == ["a", "b", "c"]
    assert read_text([f"{tmp_path}/s*"]).documents == ["c"]


def test_a_name_that_looks_like_a_glob(tmp_path):
    _write(tmp_path, **{"a[1]": "itself", "a1": "other"})
    assert read_text([tmp_path / "a[1].txt"]).documents == ["itself"]


def test_each_file_is_read_once(tmp_path):
    _write(tmp_path, a="a", b="b")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    twice = [tmp_path / "b.txt", tmp_path, f"{tmp_path}/*.txt", tmp_path / "." / "b.txt"]
    assert read_text(twice).documents == ["b", "a"]


def test_stdlib():
    text = read_text(["stdlib"], max_characters=300_000)
    assert text.characters == 300_000
    assert all(name.endswith(".py") for name in text.names)
    assert not any("/test/" in name or "site-packages" in name for name in text.names)
    assert read_text(["stdlib"], max_characters=300_000) == text


def test_a_file_named_stdlib_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("stdlib").write_text("mine")
    assert read_text(["stdlib"]).documents == ["mine"]


@pytest.mark.parametrize(
    ("most", "documents"),
    [(1, ["a"]), (3, ["aaa"]), (4, ["aaa", "b"]), (99, ["aaa", "bbb"])],
)
def test_max_characters(tmp_path, most, documents):
    _write(tmp_path, a="aaa", b="bbb")
    assert read_text([tmp_path], max_characters=most).documents == documents


@pytest.mark.parametrize(
    ("raw", "options", "document"),
    [
        (b"\xef\xbb\xbfab", {}, "ab"),
        (b"a\r\nb\rc\n", {}, "a\nb\rc\n"),
        (b"\xe4\xff", {"encoding": "latin-1"}, "äÿ"),
        (b"a\xffb", {"errors": "replace"}, "a\ufffdb"),
        (b"a\xffb", {"errors": "ignore"}, "ab"),
        ("aä".encode("utf-16"), {"encoding": "utf-16"}, "aä"),
        (b" ", {}, " "),
    ],
)
def test_decoding(tmp_path, raw, options, document):
    (tmp_path / "file").write_bytes(raw)
    assert read_text([tmp_path / "file"], **options).documents == [document]
    assert read_text([tmp_path], **options).documents == [document]


def test_nothing_named():
    assert _fault() == "no data was given; give files, folders or globs, or 'stdlib'"


@pytest.mark.parametrize("name", ["none.txt", "none/*.txt", "no[pq]e"])
def test_missing(tmp_path, name):
    assert _fault(tmp_path / name) == (
        f"{tmp_path / name} does not exist; name a file, a folder, a glob that matches, or 'stdlib'"
    )


def test_dangling_link_in_a_glob(tmp_path):
    (tmp_path / "dangling.txt").symlink_to(tmp_path / "none")
    assert _fault(f"{tmp_path}/*.txt").startswith(f"{tmp_path}/*.txt is a broken link; name a file")
    _write(tmp_path, a="text")
    text = read_text([f"{tmp_path}/*.txt"])
    assert text.documents == ["text"]
    assert text.notes == [f"1 links are broken and were left out, such as {tmp_path}/dangling.txt"]


def test_text_in_the_place_of_a_path():
    assert "File name too long; check the path" in _fault("once upon a time " * 500)


def test_empty(tmp_path):
    _write(tmp_path, a="", b="\ufeff")
    for name in ("a.txt", "b.txt"):
        assert _fault(tmp_path / name) == (
            f"{tmp_path / name} is empty; give a file that contains text"
        )
    assert _fault(tmp_path) == (
        f"{tmp_path} contains no text (2 empty or binary files); give files or folders that "
        "contain text"
    )


@pytest.mark.parametrize(
    ("raw", "encoding", "offset"),
    [
        (b"abc\xffdef", "utf-8", "byte offset 3 (0xff) is not utf-8"),
        (b"\xef\xbb\xbfab\xc3", "utf-8", "byte offset 5 (0xc3) is not utf-8"),
        (b"ab\x80", "ascii", "byte offset 2 (0x80) is not ascii"),
        (b"\xff\xfea\0b", "utf-16", "byte offset 4 (0x62) is not utf-16"),
    ],
)
def test_wrong_encoding(tmp_path, raw, encoding, offset):
    path = tmp_path / "file"
    path.write_bytes(raw)
    assert _fault(path, encoding=encoding) == (
        f"{path}: {offset}; give --encoding (for example latin-1), or --errors replace or ignore"
    )


@pytest.mark.parametrize("encoding", ["utf-88", "hex", "rot13", "undefined", "a\0b", "\ud800"])
def test_unknown_encoding(tmp_path, encoding):
    _write(tmp_path, a="a")
    for path in (tmp_path, tmp_path / "a.txt"):
        assert "--encoding takes a name such as utf-8, latin-1" in _fault(path, encoding=encoding)


@pytest.mark.parametrize("raw", [b"a\0b", "ab".encode("utf-16-le"), b"\x7fELF\0\0"])
def test_zero_bytes(tmp_path, raw):
    path = tmp_path / "file"
    path.write_bytes(raw)
    assert _fault(path) == (
        f"{path} contains NUL at byte {raw.index(0)}, so it is binary or in another encoding "
        "(utf-16?); give a text file, or its encoding with --encoding"
    )


def test_utf_16_with_its_mark_read_as_utf_8(tmp_path):
    (tmp_path / "file").write_bytes("ab".encode("utf-16"))
    assert read_text([tmp_path / "file"]).documents == ["ab"]
    (tmp_path / "file").write_bytes("abcdefgh".encode("utf-16-le"))
    assert "is text in UTF-16; give --encoding utf-16-le" in _fault(tmp_path / "file")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("below", [".", "a.txt"])
def test_unreadable(tmp_path, below):
    _write(tmp_path, folder__a="a")
    locked = tmp_path / "folder" / below
    locked.chmod(0)
    try:
        assert "Permission denied; choose a location that you may use" in _fault(locked)
    finally:
        locked.chmod(0o700)


def test_a_disk_that_fails(tmp_path, monkeypatch):
    _write(tmp_path, a="a")

    def fail(path, mode, buffering):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", fail)
    assert _fault(tmp_path) == (
        f"cannot read {tmp_path / 'a.txt'}: Permission denied; "
        "choose a location that you may use, or change its permissions"
    )


@pytest.mark.slow
@hypothesis_settings(deadline=None, derandomize=True, max_examples=300)
@given(raw=st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
@example(raw=b"\xef\xbb\xbf")
@example(raw=b"\r\n")
@example(raw=b"\xff\xfe")
def test_any_bytes_are_read_or_refused(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(raw)
    try:
        expected = raw.decode(by_mark(raw, "utf-8")).removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError:
        expected = ""
    known = is_packed(raw) or foreign(raw, "utf-8") is not None
    if expected and "\0" not in expected and not known:
        assert read_text([path]).documents == [expected]
    else:
        assert str(path) in _fault(path)


@hypothesis_settings(deadline=None, derandomize=True, max_examples=200)
@given(
    raw=st.binary(max_size=30),
    encoding=st.sampled_from(["utf-8", "latin-1", "utf-16", "utf-32-le", "cp1252", "ascii", "x"]),
    errors=st.sampled_from(["strict", "replace", "ignore"]),
    most=st.none() | st.integers(1, 9),
)
def test_any_reading_is_text_or_a_fault(tmp_path_factory, raw, encoding, errors, most):
    folder = tmp_path_factory.getbasetemp() / "any-folder"
    folder.mkdir(exist_ok=True)
    (folder / "file").write_bytes(raw)
    for path in (folder, folder / "file"):
        try:
            text = read_text([path], encoding=encoding, errors=errors, max_characters=most)
        except DataError:
            continue
        assert 0 < text.characters <= (most or len(raw))
