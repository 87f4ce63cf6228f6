"""Files of tags: columns as in the shared tasks of CoNLL, and tables with lists in their cells.

A CoNLL file holds a word a line with its tags in further columns, and an empty line after each
sentence; CoNLL-U (Universal Dependencies) is one whose ten columns are known by name.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engram.data.arrays.places import Places
from engram.data.arrays.sequences import Sequences
from engram.data.paths import expanded
from engram.data.settings import TagReadingSettings
from engram.data.tables import cells
from engram.data.tables.reading import READERS, read_table
from engram.data.tables.table import Table
from engram.data.tagging.tagged import Lists, Tagged, together
from engram.data.text.decoding import numbered_lines, opened
from engram.errors import DataError, did_you_mean

CONLL_U = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
WORDS = ("words", "tokens", "text", "values", "x", "inputs")
TAGS = ("tags", "ner_tags", "labels", "pos_tags", "upos", "y", "targets")
_LISTS = READERS.keys() - {".csv", ".tsv", ".tab"}
_BEGIN = "-DOCSTART-"


def read_tagged(
    paths: Sequence[str], settings: TagReadingSettings, *, answered: bool
) -> tuple[Tagged, list[str]]:
    """Read sequences with their tags.

    Args:
        paths: Files and globs, read one after the other.
        settings: Encoding, and which columns.
        answered: Whether there have to be tags; where not, none are read.

    Returns:
        The sequences, and what was left out, one sentence each.

    Raises:
        DataError: For files that do not exist, cannot be read, or depart from their format, with
            the line.
    """
    files, notes = expanded(paths, "files or globs")
    parts = []
    for path in files:
        read = _read_lists if path.suffix.lower() in _LISTS else _read_columns
        parts.append(read(path, settings, answered))
    return together(parts), notes


def _read_lists(path: Path, settings: TagReadingSettings, answered: bool) -> Tagged:
    table = read_table(path, encoding=settings.encoding)
    first = table.first
    lists = [name for name in table.columns if cells.is_list(first[name])]
    read = _chosen(table, settings.words, WORDS, lists, "words")
    tags = _chosen(table, settings.tags, TAGS, [n for n in lists if n != read], "tags")
    if read is None or (tags is None and answered):
        raise DataError(
            f"{path} has the columns {', '.join(table.columns)}, but no lists of "
            f"{'words' if read is None else 'tags'} among them; name the columns with --words and "
            "--tags"
        )
    given = list(_cells(table, read, words=True))
    names = Places.rows(f"{path} row", len(given))
    inputs: Lists | Sequences
    if isinstance(given[0], np.ndarray):
        if not all(isinstance(each, np.ndarray) for each in given):
            raise DataError(f"{path}: '{read}' contains both words and values; give one kind")
        inputs = Sequences.of(given)
    else:
        if not all(isinstance(each, list) for each in given):
            raise DataError(f"{path}: '{read}' contains both words and values; give one kind")
        inputs = Lists.of(given)
    if not answered or tags is None:
        return Tagged(inputs, None, names)
    return Tagged(inputs, Lists.of(_cells(table, tags, words=False)), names)


def _chosen(
    table: Table, said: str | None, known: Sequence[str], lists: list[str], what: str
) -> str | None:
    if said is not None:
        if said not in table.columns:
            if what == "tags":
                return None  # a file to predict on need not have them
            raise DataError(
                f"{table.path} has no column '{said}': {did_you_mean(said, table.columns)}"
            )
        return said
    return next((name for name in known if name in lists), lists[0] if lists else None)


def _cells(table: Table, name: str, *, words: bool) -> Iterator[Any]:
    """The lists of a column: words, tags (numbers as they are written), or arrays of values."""
    row = 0
    for block in table.blocks():
        for cell in cells.values(block[name]):
            if not isinstance(cell, list):
                raise DataError(
                    f"{table.place(row)}: '{name}' holds {str(cell)[:40]!r}; write a list"
                )
            text = not words or any(isinstance(each, str) for each in cell)
            if not text:
                yield cells.array(cell, f"{table.name(row)}, '{name}'")
            else:
                bad = [each for each in cell if not isinstance(each, str | int) or each == ""]
                if bad:
                    raise DataError(
                        f"{table.place(row)}: '{name}' holds {str(bad[0])[:40]!r} in its list; "
                        "write texts"
                    )
                yield [str(each) for each in cell]
            row += 1


def _read_columns(path: Path, settings: TagReadingSettings, answered: bool) -> Tagged:
    tags: list[list[str]] = []
    places = array("q")

    def sentences() -> Iterator[list[str]]:
        for place, words, found in _sentences(path, settings, answered):
            places.append(place)
            tags.append(found)
            yield words

    inputs = Lists.of(sentences())
    if not len(inputs):
        raise DataError(f"{path} is empty; give a file with one word per line")
    names = Places([f"{path} line"], np.zeros(len(places), dtype=np.int32), np.array(places))
    return Tagged(inputs, Lists.of(tags) if answered else None, names)


def _sentences(
    path: Path, settings: TagReadingSettings, answered: bool
) -> Iterator[tuple[int, list[str], list[str]]]:
    """For each sentence the line on which it begins, its words, and their tags."""
    columns = _columns_of(path, settings, answered)
    known: dict[str, str] = {}  # one object for each tag
    begins = 0
    words: list[str] = []
    tags: list[str] = []
    with opened(path, settings.encoding) as lines:
        for place, line in numbered_lines(path, lines):
            if not line.strip():
                if words:
                    yield begins, words, tags
                words, tags = [], []
            elif columns is not None and not columns.skips(line):
                word, tag = columns.read(line, f"{path} line {place}")
                begins = begins if words else place
                words.append(word)
                tags.append(known.setdefault(tag, tag))
    if words:
        yield begins, words, tags


def _columns_of(path: Path, settings: TagReadingSettings, answered: bool) -> "_Columns | None":
    """How the lines are cut, as the first one tells that is surely one of a word."""
    with opened(path, settings.encoding) as lines:
        for place, line in numbered_lines(path, lines):
            if line.strip() and not line.startswith(("#", _BEGIN)):
                return _Columns(line, settings, f"{path} line {place}", answered)
    return None


class _Columns:
    """How the lines of a file are cut, as its first line of a word tells.

    Args:
        line: That line.
        settings: Which columns.
        where: Of the line, for a message.
        answered: Whether there have to be tags.
    """

    def __init__(self, line: str, settings: TagReadingSettings, where: str, answered: bool) -> None:
        self._tabs = "\t" in line
        found = self._cut(line)
        self._width = len(found)
        self._universal = self._width == len(CONLL_U) and re.match(r"\d+(-\d+)?$", found[0])
        self._word = self._place(settings.words, "form" if self._universal else "1", where)
        self._tag: int | None = None
        if answered:
            last = "upos" if self._universal else str(self._width)
            self._tag = self._place(settings.tags, last, where)
            if self._tag == self._word:
                raise DataError(
                    f"{where} has {self._width} column{'s' * (self._width > 1)}, so words and tags "
                    "would be read from the same one; give a word and its tag per line, or name "
                    "the columns with --words and --tags"
                )

    def skips(self, line: str) -> bool:
        """Whether a line is a comment, a document's beginning, or no word of its own."""
        if self._universal:
            number = line.split("\t", 1)[0]
            return line.startswith("#") or "-" in number or "." in number
        if line.startswith(_BEGIN):
            return True
        return line.startswith("#") and len(self._cut(line)) != self._width

    def read(self, line: str, where: str) -> tuple[str, str]:
        """The word of a line, and its tag."""
        found = self._cut(line)
        if len(found) != self._width:
            raise DataError(
                f"{where} has {len(found)} columns, but the first line has {self._width}: "
                f"'{line.strip()[:60]}'; fix it"
            )
        word, tag = found[self._word], "" if self._tag is None else found[self._tag]
        if not word or (self._tag is not None and not tag):
            raise DataError(f"{where} has no {'tag' if word else 'word'}; fix it")
        if "\0" in line:
            raise DataError(f"{where} contains NUL, so it is binary or in another encoding; fix it")
        return word, tag

    def _cut(self, line: str) -> list[str]:
        line = line.rstrip("\r\n")
        return [cell.strip() for cell in line.split("\t")] if self._tabs else line.split()

    def _place(self, said: str | None, default: str, where: str) -> int:
        name = (said or default).strip().lower()
        if self._universal and name in CONLL_U:
            return CONLL_U.index(name)
        if re.fullmatch(r"-?\d+", name, re.ASCII) and int(name):
            number = int(name)
            place = number - 1 if number > 0 else self._width + number
            if 0 <= place < self._width:
                return place
        raise DataError(
            f"{where} has {self._width} columns, but none is '{said}'; give a number from 1"
            + (f", or one of {', '.join(CONLL_U)}" if self._universal else "")
        )
