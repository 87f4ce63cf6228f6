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
from engram.data.tables.kinds import Kind, kind_of
from engram.data.text.decoding import opened
from engram.errors import DataError

_HEAD = 1 << 18  # characters that are looked at
_MOST_HEADERS = 5
_EVEN = 0.9  # share of rows of one width from which a separator is a good one
_TYPED = 0.8  # share of cells of one kind from which a column is of it
_CELL_OF_HEADER = 60  # characters of the longest name
_RUN = 3  # numbers in a row that are names, as in 0, 1, 2
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
    candidates = [
        _Candidate.of(sign, quoted, body, whole)
        for sign in ([separator] if separator else SEPARATORS.values())
        for quoted in ([given.quotes == "double"] if given.quotes else (True, False))
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
    header, reason = _header_rows(rows, given.header_rows)
    if header > 1 and given.header_rows is None:
        raise DataError(
            f"{path} seems to have {header} rows of names ({_shown(rows[:header])}); "
            f"use --header-rows {header} to join them, or --skip to leave some out"
        )
    if reason:
        notes.append(f"{path}: {reason}")
    names = _names(rows, header)
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


def _header_rows(rows: Sequence[Sequence[str]], said: int | None) -> tuple[int, str]:
    """How many rows hold names, and what to say about it."""
    if said is not None:
        return min(said, len(rows) - 1) if len(rows) > 1 else said, ""
    width = len(rows[0])
    body = [row for row in rows[min(_MOST_HEADERS, len(rows) // 2) : 2000] if len(row) == width]
    kinds = [_kind_of_column([row[place] for row in body]) for place in range(width)]
    typed = [place for place, kind in enumerate(kinds) if kind in (Kind.NUMBER, Kind.DATE)]
    count = 0
    for row in rows[:_MOST_HEADERS]:
        if len(row) != width or not _names_typed(row, kinds, typed):
            break
        count += 1
    if count:
        return count, ""
    if len(rows) == 1:
        return (0, "") if typed or any(_is_typed(cell) for cell in rows[0]) else (1, "")
    if typed:
        counted = _counts([rows[0][place] for place in typed])
        others = sorted(set(range(width)) - set(typed))
        same = bool(others) and all(_among(rows[0][place], rows[1:], place) for place in others)
        if counted and not same:
            return 1, "its first line is read as names that count; --header-rows 0 reads it as data"
        return 0, ""
    return _header_of_texts(rows)


def _header_of_texts(rows: Sequence[Sequence[str]]) -> tuple[int, str]:
    """Whether the first of rows of texts holds names: not if it looks like those after it."""
    first = rows[0]
    for place, cell in enumerate(first):
        if not cell.strip():
            continue
        column = [row[place] for row in rows[1:2000] if place < len(row)]
        if len(set(column)) < len(column) and _among(cell, rows[1:2000], place):
            return 0, "its first line is read as data, not as names; --header-rows 1 reads names"
    short = all(len(cell.strip()) <= _CELL_OF_HEADER for cell in first)
    named = [cell.strip() for cell in first if cell.strip()]
    if short and named:
        longest = max((len(cell) for row in rows[1:] for cell in row), default=0)
        clear = any(name.lower().replace(" ", "_") in _KNOWN for name in named)
        told = (
            ""
            if clear or longest > 4 * max(map(len, named))
            else ("its first line is read as names; --header-rows 0 reads it as data")
        )
        return 1, told
    return 0, "its first line is read as data, not as names; --header-rows 1 reads names"


# names that people give to columns of texts, so that a first line that has one is a header
_KNOWN = frozenset(
    [
        "text",
        "label",
        "class",
        "target",
        "category",
        "sentiment",
        "tag",
        "review",
        "sentence",
        "title",
        "description",
        "source",
        "id",
        "name",
        "word",
        "token",
        "language",
        "translation",
        "caption",
        "image",
        "file",
        "path",
        "question",
        "answer",
        "comment",
        "tweet",
        "message",
        "subject",
        "body",
        "content",
        "date",
        "time",
        "v1",
        "v2",
    ]
)


def _names_typed(row: Sequence[str], kinds: Sequence[Kind], typed: Sequence[int]) -> bool:
    """Whether a row holds other things than its columns of numbers and dates do."""
    others = [place for place in typed if kind_of(row[place]) not in (kinds[place], Kind.EMPTY)]
    empty = [place for place in typed if kind_of(row[place]) is Kind.EMPTY]
    # names of numbers stand over columns of numbers too, if one name beside them is a text
    return bool(others) and (len(others) + len(empty) == len(typed) or _names_beside(row, kinds))


def _names_beside(row: Sequence[str], kinds: Sequence[Kind]) -> bool:
    """Whether a row of numbers has a text over a column of dates: the other numbers are names."""
    dated = [place for place, kind in enumerate(kinds) if kind is Kind.DATE]
    if any(kind_of(row[place]) is Kind.TEXT for place in dated):
        return True
    over = [place for place, kind in enumerate(kinds) if kind is Kind.NUMBER]
    return sum(kind_of(row[place]) is Kind.TEXT for place in over) > 0.5 * len(over)


def _kind_of_column(column: Sequence[str]) -> Kind:
    found = Counter(kind_of(cell) for cell in column)
    del found[Kind.EMPTY]
    if not found:
        return Kind.EMPTY
    kind, count = found.most_common(1)[0]
    return kind if count >= _TYPED * sum(found.values()) else Kind.TEXT


def _is_typed(cell: str) -> bool:
    return kind_of(cell) in (Kind.NUMBER, Kind.DATE)


def _counts(cells: Sequence[str]) -> bool:
    """Whether cells are whole numbers one after the other."""
    plain = [cell.strip() for cell in cells]
    filled = [cell for cell in plain if cell]
    if len(filled) < _RUN or not all(cell.isdecimal() for cell in filled):
        return False
    numbers = list(map(int, filled))
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _among(cell: str, rows: Sequence[Sequence[str]], place: int) -> bool:
    wanted = cell.strip().lower()
    return any(place < len(row) and row[place].strip().lower() == wanted for row in rows)


def _names(rows: Sequence[Sequence[str]], header: int) -> list[str]:
    """The names of columns, those of several rows joined; a column without one is numbered."""
    names = []
    for place in range(len(rows[0])):
        parts = [row[place].strip() for row in rows[:header] if place < len(row)]
        names.append(" ".join(dict.fromkeys(filter(None, parts))) or f"column {place + 1}")
    return names


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
