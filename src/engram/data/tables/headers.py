"""Headers: how many of the first rows of a CSV file hold the names of its columns."""

from collections import Counter
from collections.abc import Sequence

from engram.data.tables.kinds import Kind, kind_of

_MOST = 5  # rows of names
_TYPED = 0.8  # share of cells of one kind from which a column is of it
_LONGEST = 60  # characters of a name
_RUN = 3  # numbers in a row that are names, as in 0, 1, 2


def header_rows(rows: Sequence[Sequence[str]], said: int | None) -> tuple[int, str]:
    """How many rows hold names, and what to say about it."""
    if said is not None:
        return min(said, len(rows) - 1) if len(rows) > 1 else said, ""
    width = len(rows[0])
    body = [row for row in rows[min(_MOST, len(rows) // 2) : 2000] if len(row) == width]
    kinds = [_kind_of_column([row[place] for row in body]) for place in range(width)]
    typed = [place for place, kind in enumerate(kinds) if kind in (Kind.NUMBER, Kind.DATE)]
    count = 0
    for row in rows[:_MOST]:
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
    short = all(len(cell.strip()) <= _LONGEST for cell in first)
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


def names_of(rows: Sequence[Sequence[str]], header: int) -> list[str]:
    """The names of columns, those of several rows joined; a column without one is numbered."""
    names = []
    for place in range(len(rows[0])):
        parts = [row[place].strip() for row in rows[:header] if place < len(row)]
        names.append(" ".join(dict.fromkeys(filter(None, parts))) or f"column {place + 1}")
    return names
