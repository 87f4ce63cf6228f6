"""Dialect: how the text of a CSV file is cut into rows and cells, found in its first part.

What is found holds for the whole file: a later row that does not fit it is a fault, and the
dialect is not guessed again. Where another reading is possible, a note says what was taken and
which flag changes it.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engram.data.containers import inner_suffix
from engram.data.settings import SEPARATORS, TextTableSettings
from engram.data.tables import table
from engram.data.tables.headers import header_rows, names_of
from engram.data.tables.kinds import Kind, kind_of
from engram.data.text.decoding import opened
from engram.errors import DataError

_HEAD = 1 << 18  # characters that are looked at
_EVEN = 0.9  # share of rows of one width from which a separator is a good one
_SHOWN = 60


@dataclass(frozen=True)
class Dialect:
    """How a file is cut.

    Attributes:
        separator: Between cells, one character.
        quoted: Whether a cell may stand in double quotes.
        skipped: Lines before the first row, such as comments.
        header: Rows of names.
        names: Of the columns; as many as a row has cells.
        padded: Whether each row but the header ends in a separator, so that one cell is too many.
        lines: Lines before the first row of data.
        notes: Choices between two readings, one sentence each.
    """

    separator: str
    quoted: bool
    skipped: int
    header: int
    names: list[str]
    padded: bool
    lines: int
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Cells of a row."""
        return len(self.names) + self.padded

    def rows(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """Rows of lines, by the standard library; slower than arrow."""
        return _reader(lines, self.separator, self.quoted)

    def settings(self) -> dict[str, object]:
        """As a person would set it, for later files."""
        named = {sign: name for name, sign in SEPARATORS.items()}
        return {
            "separator": named.get(self.separator, self.separator),
            "quotes": "double" if self.quoted else "none",
            "header_rows": self.header,
        }


def find_dialect(path: Path, encoding: str, errors: str, given: TextTableSettings) -> Dialect:
    """Find out how a CSV file is cut, as far as the settings do not say.

    Raises:
        DataError: For a file that is empty, damaged, or has several rows of names.
    """
    text, whole = _head(path, encoding, errors)
    skipped, separator, notes = _preamble(text, given)
    if separator is None and "\t" in text and inner_suffix(path) in (".tsv", ".tab"):
        separator = "\t"
    body = _without_lines(text, skipped)
    # without quotes in it, a text is cut the same whether they count or not
    ways = [given.quotes == "double"] if given.quotes else [True, False][: 1 + ('"' in body)]
    candidates = [
        _Candidate.of(sign, quoted, body, whole)
        for sign in ([separator] if separator else SEPARATORS.values())
        for quoted in ways
    ]
    found = [each for each in candidates if each.rows]
    if not found:
        raise DataError(_nothing(path, body, separator or ",", skipped, whole))
    best = max(found, key=_Candidate.worth)
    if best.width < 2 and separator is None:
        best = next((each for each in found if each.separator == ","), best)
    closed, line = (0, None) if best.quoted or given.quotes else best.quotes()
    if closed > 1:  # so they are quotes, and one of them is a fault
        raise DataError(_nothing(path, body, best.separator, skipped, whole))
    if line is not None:
        notes.append(
            f"{path} line {skipped + line} has a quote that begins a cell and does not end it, so "
            "quotes are read as text; --quotes double reads them as quotes"
        )
    rows, padded = best.unpadded()
    header, reason = header_rows(rows, given.header_rows)
    if header > 1 and given.header_rows is None:
        raise DataError(
            f"{path} seems to have {header} rows of names ({_shown(rows[:header])}); "
            f"use --header-rows {header} to join them, or --skip to leave some out"
        )
    if reason:
        notes.append(f"{path}: {reason}")
    names = names_of(rows, header)
    return Dialect(
        best.separator,
        best.quoted,
        skipped,
        header,
        names,
        padded,
        skipped + best.lines_of(header),
        tuple(notes),
    )


def _head(path: Path, encoding: str, errors: str) -> tuple[str, bool]:
    """The first characters of a file up to the end of a line, and whether they are all of it."""
    with opened(path, encoding, errors, newline="") as file:
        text = file.read(_HEAD)
        rest = file.readline(table.LONGEST) if len(text) == _HEAD else ""
        whole = not rest or not file.read(1)
    if "\0" in text.split("\n", 1)[0]:
        raise DataError(
            f"{path} contains NUL in its first line, so it is damaged or in another encoding "
            "(utf-16?); restore it, or give its encoding with --encoding"
        )
    if not text.strip():
        raise DataError(f"{path} is empty; give a file that contains a table")
    return text + rest, whole


def _preamble(text: str, given: TextTableSettings) -> tuple[int, str | None, list[str]]:
    """Lines to skip, the separator where it is said, and notes."""
    named = given.separator
    separator = SEPARATORS.get(named, named) if named else None
    if given.skip is not None:
        return given.skip, separator, []
    skipped = 0
    notes: list[str] = []
    for line in io.StringIO(text, newline=""):
        plain = line.strip()
        said = re.fullmatch(r'"?sep=(.)"?', plain)
        if said:  # as Excel writes it
            separator = separator or said[1]
        elif plain and not plain.startswith("#"):
            break
        skipped += 1
    comments = sum(line.startswith("#") for line in text.splitlines()[:skipped])
    if comments:
        notes.append(f"{comments} comment lines at the start are left out; --skip 0 reads them")
    return skipped, separator, notes


def _without_lines(text: str, count: int) -> str:
    lines = io.StringIO(text, newline="")
    for _ in range(count):
        lines.readline()
    return lines.read()


def _reader(
    lines: Iterator[str] | io.StringIO, separator: str, quoted: bool
) -> Iterator[list[str]]:
    csv.field_size_limit(table.LONGEST)
    if quoted:
        return csv.reader(lines, delimiter=separator, strict=True)
    return csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE, quotechar=None)


@dataclass(frozen=True)
class _Candidate:
    """One way to cut the head of a file.

    Attributes:
        rows: That hold something; none where the head cannot be cut so.
        ends: The line on which each of them ends, from 1.
    """

    separator: str
    quoted: bool
    rows: list[list[str]]
    ends: list[int]

    @classmethod
    def of(cls, separator: str, quoted: bool, text: str, whole: bool) -> "_Candidate":
        rows: list[list[str]] = []
        ends: list[int] = []
        reader = _reader(io.StringIO(text, newline=""), separator, quoted)
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append(row)
                    ends.append(reader.line_num)  # type: ignore[attr-defined]
        except csv.Error:
            # the head may end within a quoted cell, but not soon after its start
            if whole or len(rows) < 2 or sum(map(len, map("".join, rows))) < 0.5 * len(text):
                return cls(separator, quoted, [], [])
        return cls(separator, quoted, rows, ends)

    @property
    def width(self) -> int:
        """Cells of most rows."""
        return Counter(map(len, self.rows)).most_common(1)[0][0]

    def worth(self) -> tuple[object, ...]:
        """What the best candidate has most of; tabs hardly ever stand for something else."""
        width = self.width
        even = sum(len(row) == width for row in self.rows) / len(self.rows)
        order = list(SEPARATORS.values())
        place = order.index(self.separator) if self.separator in order else 0
        good = width > 1 and even >= _EVEN
        return (
            good and self.separator == "\t",
            good,
            width > 1,
            round(even, 2),
            round(self._typed(), 1),
            -place,
            self.quoted,
        )

    def _typed(self) -> float:
        """The share of cells that are numbers, dates or empty."""
        cells = [cell for row in self.rows[1:300] for cell in row]
        return sum(kind_of(cell) is not Kind.TEXT for cell in cells) / max(1, len(cells))

    def quotes(self) -> tuple[int, int | None]:
        """How many cells quotes stand around, and the first line where one only begins a cell."""
        closed, line = 0, None
        for end, row in zip(self.ends, self.rows, strict=True):
            for cell in row:
                if cell.strip().startswith('"'):
                    ends = cell.strip()[1:].endswith('"')
                    closed += ends
                    line = end if line is None and not ends else line
        return closed, line

    def unpadded(self) -> tuple[list[list[str]], bool]:
        """The rows without the empty cell that a separator at their end makes, if only they do."""
        first, width = len(self.rows[0]), self.width
        padded = len(self.rows) > 1 and width == first + 1
        padded = padded and all(not row[-1] for row in self.rows if len(row) == width)
        if not padded:
            return self.rows, False
        return [row[:first] for row in self.rows], True

    def lines_of(self, rows: int) -> int:
        """The line on which a number of rows end."""
        return self.ends[rows - 1] if rows else 0


def _shown(rows: Sequence[Sequence[str]]) -> str:
    text = " / ".join(",".join(row) for row in rows)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _nothing(path: Path, body: str, separator: str, skipped: int, whole: bool) -> str:
    """What to say of a head that cannot be cut as was said."""
    reader = _reader(io.StringIO(body, newline=""), separator, True)
    begins = 1
    try:
        for _ in reader:
            begins = reader.line_num + 1  # type: ignore[attr-defined]
    except csv.Error as error:
        if "field limit" in str(error):
            return f"{path} has a row of more than {table.LONGEST >> 20} MB; shorten it"
        if "unexpected end" in str(error) and whole:
            return (
                f"{path} line {skipped + begins} has a quote that is never closed; close it, "
                "double it if it is part of the text, or use --quotes none"
            )
        return (
            f"{path} line {skipped + begins}: {error}; double the quotes that are part of a text, "
            "or use --quotes none"
        )
    return f"{path} is empty; give a file that contains a table"
