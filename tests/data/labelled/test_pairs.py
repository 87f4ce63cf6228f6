from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engram.data.labelled.pairs import read_pairs
from engram.data.text import decoding
from engram.data.text.decoding import lines_of
from engram.errors import DataError, EngramError


def _write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_two_files(tmp_path):
    left = _write(tmp_path, "a.de", "Guten Tag\nAuf Wiedersehen\n")
    right = _write(tmp_path, "a.en", "Good day\nGoodbye")
    pairs = read_pairs([left, right])
    assert pairs.sources == ["Guten Tag", "Auf Wiedersehen"]
    assert pairs.targets == ["Good day", "Goodbye"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["1", "2"], [("de", "en"), ("eins", "one"), ("zwei", "two")]),
        (["3", "1"], [("id", "de"), ("x", "eins"), ("y", "zwei")]),
        (["en", "de"], [("one", "eins"), ("two", "zwei")]),
    ],
)
def test_columns(tmp_path, columns, expected):
    path = _write(tmp_path, "a.tsv", "de\ten\tid\neins\tone\tx\nzwei\ttwo\ty\n")
    pairs = read_pairs([path], columns=columns)
    assert list(zip(pairs.sources, pairs.targets, strict=True)) == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'de,en\n"eins, ein",one\n,empty\nzwei,two\n'),
        ("a.jsonl", '{"de": "eins, ein", "en": "one"}\n{"en": "x"}\n{"de": "zwei", "en": "two"}\n'),
        ("a.json", '[{"de": "eins, ein", "en": "one"}, {"en": "x"}, {"de": "zwei", "en": "two"}]'),
    ],
)
def test_tables_of_other_kinds(tmp_path, name, content):
    path = _write(tmp_path, name, content)
    for columns in (["1", "2"], ["de", "en"]):
        pairs = read_pairs([path], columns=columns)
        assert (pairs.sources, pairs.targets) == (["eins, ein", "zwei"], ["one", "two"])
        assert len(pairs.skipped) == 1
    assert "no column 'fr'" in _refused([path], columns=["de", "fr"])


def test_quotes_between_tabs_are_characters(tmp_path):
    pairs = read_pairs([_write(tmp_path, "a.tsv", '"eins\t"one"\nzwei"\ttwo\n')])
    assert (pairs.sources, pairs.targets) == (['"eins', 'zwei"'], ['"one"', "two"])


def test_marks_and_line_ends_of_windows(tmp_path):
    path = _write(tmp_path, "a.tsv", b"\xef\xbb\xbfeins\tone\r\nzwei\ttwo\r\n")
    pairs = read_pairs([path])
    assert (pairs.sources, pairs.targets) == (["eins", "zwei"], ["one", "two"])


def test_only_line_feeds_end_lines(tmp_path):
    path = _write(tmp_path, "a.tsv", "ei\u2028ns\to\x0bne\nzwei\ttwo\x85!\n")
    assert read_pairs([path]).sources == ["ei\u2028ns", "zwei"]
    assert read_pairs([path]).targets == ["o\x0bne", "two\x85!"]


def test_lines_with_an_empty_side_are_left_out(tmp_path):
    path = _write(tmp_path, "a.tsv", "eins\tone\n\t\n\nzwei\t \ndrei\tthree\n")
    pairs = read_pairs([path])
    assert pairs.sources == ["eins", "drei"]
    assert pairs.skipped == [2, 3, 4]


def test_long_lines(tmp_path):
    path = _write(tmp_path, "a.tsv", "x" * 1_000_000 + "\ty\n")
    assert [len(text) for text in read_pairs([path]).sources] == [1_000_000]


def _refused(paths, **options):
    with pytest.raises(DataError) as caught:
        read_pairs(paths, **options)
    return str(caught.value)


def test_differing_line_counts_name_the_first_line_without_a_partner(tmp_path):
    left = _write(tmp_path, "a.de", "eins\nzwei\n")
    right = _write(tmp_path, "a.en", "one\ntwo\nthree\nfour\n")
    assert _refused([left, right]) == (
        f"{left} has 2 lines and {right} 4: line 3 of {right} ('three') has no counterpart; give "
        "files with parallel lines"
    )
    assert f"line 3 of {right} ('three')" in _refused([right, left])


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            "eins\tone\nzwei\n",
            {},
            "{path}, line 2 ('zwei'): has 1 tab-separated columns, but column 2 was requested; fix "
            "the line, or give --columns",
        ),
        (
            "a\tb\n",
            {"columns": ["a", "bb"]},
            "{path}, line 1: there is no column 'bb': did you mean 'b'? accepted: a, b; or give "
            "columns by number, from 1",
        ),
        (
            "a\tb\n",
            {"columns": ["1"]},
            "columns are 1; give two: source and target",
        ),
        (
            "a\t\n\tb\n",
            {},
            "{path}: no line has both sides; give at least one pair",
        ),
        (
            "a\tb\n" * 4000 + "c\0\td\n",
            {},
            "{path}, line 4001: contains NUL, so it is damaged; restore the file",
        ),
        ("", {}, "{path} is empty; give a file that contains text"),
        (
            b"a\tb\n\xff\tc\n",
            {},
            "{path}: byte offset 4 (0xff) is not utf-8; give --encoding (for example latin-1), or "
            "--errors replace or ignore",
        ),
    ],
)
def test_bad_files(tmp_path, content, options, message):
    path = _write(tmp_path, "a.tsv", content)
    assert _refused([path], **options) == message.format(path=path)


def test_other_paths(tmp_path):
    assert "is a folder" in _refused([tmp_path])
    path = tmp_path / "nothing.tsv"
    assert _refused([path]) == f"{path} does not exist; give a text file"
    assert _refused(["stdlib"]) == "stdlib does not exist; give a text file"
    assert "3 files were given for pairs" in _refused(["a", "b", "c"])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    left=st.binary(max_size=40),
    right=st.lists(st.sampled_from([b"a", b"\t", b"\n", b"\r\n", b"\xff", b"\0", b"b c"])).map(
        b"".join
    ),
    two=st.booleans(),
)
def test_damaged_files_are_read_or_refused(tmp_path, left, right, two):
    paths = [_write(tmp_path, "left", left + right), _write(tmp_path, "right", right + left)]
    try:
        pairs = read_pairs(paths if two else paths[:1])
    except EngramError:
        return
    assert len(pairs.sources) == len(pairs.targets) > 0
    assert all(text and text == text.strip() for text in [*pairs.sources, *pairs.targets])
    lines = Path(paths[0]).read_bytes().replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")
    assert len(pairs) + len(pairs.skipped) == len(lines)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.lists(st.sampled_from(["a", "é", "\n", "\r\n", "\r", "\u2028", "xyz", ""])).map(
        "".join
    ),
    chunk=st.integers(1, 9),
)
def test_lines_are_those_of_the_whole_wherever_it_is_cut(tmp_path, content, chunk):
    path = tmp_path / "a.txt"
    path.write_bytes(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "CHUNK", chunk)
        if not content:
            with pytest.raises(DataError, match="is empty"):
                list(lines_of(path))
            return
        found = list(lines_of(path))
    assert found == content.replace("\r\n", "\n").removesuffix("\n").split("\n")


def test_what_is_wrong_further_on_is_told_when_it_comes(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"fine\n" * 3000 + b"dam\0aged\n")
    lines = lines_of(path)
    assert next(lines) == "fine"
    with pytest.raises(DataError, match=r"a\.txt, line 3001: contains NUL"):
        list(lines)


def test_how_a_table_was_read_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("one,ein\ntwo,zwei\n")
    found = read_pairs([path])
    assert list(found.sources) == ["two"]
    assert "its first line is read as names; --header-rows 0" in found.notes[0]
