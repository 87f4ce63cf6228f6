"""Cells: the values of a column as numbers or texts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from engram.errors import DataError

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
# what float() accepts beyond this (underscores, "infinity") is text to a person
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf", re.ASCII | re.IGNORECASE)

_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(.*)", re.ASCII | re.DOTALL)
_MONTH = re.compile(r"\d{4}-\d{1,2}", re.ASCII)


def number(cell: Any) -> float | None:
    """The number of a cell, NaN where it is missing, None where it is something else."""
    if cell is None:
        return float("nan")
    if isinstance(cell, int | float):  # bool among them
        try:
            return float(cell)
        except OverflowError:  # as JSON may write it; the text 1e400 is infinite too
            return float("inf") if cell > 0 else float("-inf")
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in MISSING:
            return float("nan")
        if _NUMBER.fullmatch(text):
            return float(text)
    return None


@lru_cache(maxsize=1 << 16)  # many series have the same dates
def date(text: str) -> float | None:
    """A date, with or without a time of day, as seconds; None where it is something else."""
    written = text.strip().replace("/", "-")
    turned = _DAY_FIRST.fullmatch(written)  # with points it is the day that comes first
    if turned:
        day, month, year, rest = turned.groups()
        written = f"{year}-{int(month):02d}-{int(day):02d}{rest}"
    try:
        when = datetime.fromisoformat(written)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        pass
    if not _MONTH.fullmatch(written):
        return None
    year, month = written.split("-")
    return date(f"{year}-{int(month):02d}-01")


def numbers(column: Any) -> tuple[np.ndarray, int | None]:
    """A column as numbers, as far as it is made of them.

    Args:
        column: An arrow array, or a list.

    Returns:
        ``(n,)`` float64, NaN where a value is missing; and the place of the first cell that holds
        something else, or None.
    """
    quick = _quick_numbers(column)
    if quick is not None:
        return quick, None
    found = np.full(len(column), np.nan)
    for place, cell in enumerate(values(column)):
        value = number(cell)
        if value is None:
            return found, place
        found[place] = value
    return found, None


def matrix(columns: Sequence[Any]) -> np.ndarray | None:
    """Columns as numbers, ``(F, n)`` float64, where arrow reads all of their cells as such at once.

    A call for each of 100,000 columns would take longer than all else. None where arrow does not.
    """
    import pyarrow

    if not columns or not all(isinstance(column, pyarrow.Array) for column in columns):
        return None
    if any(column.type != columns[0].type for column in columns):
        return None
    found = _quick_numbers(pyarrow.concat_arrays(columns))
    return None if found is None else found.reshape(len(columns), -1)


def numeric_columns(block: Mapping[str, Any]) -> set[str]:
    """The names of the columns for which `is_numeric` holds."""

    def those(names: list[str]) -> Iterator[str]:
        found = matrix([block[name] for name in names])
        if found is not None:
            filled = ~np.isnan(found).all(axis=1)
            yield from (name for name, there in zip(names, filled, strict=True) if there)
        elif len(names) > 1:
            half = len(names) // 2
            yield from those(names[:half])
            yield from those(names[half:])
        elif names and is_numeric(block[names[0]]):
            yield names[0]

    return set(those(list(block)))


def is_numeric(column: Any) -> bool:
    """Whether a column holds numbers and nothing else, some of which may be missing."""
    found, bad = numbers(column)
    return bad is None and not np.isnan(found).all()


def holds_numbers(column: Any) -> bool:
    """Whether a column is made of numbers; the fault of some cells is told when it is read."""
    if is_numeric(column):
        return True
    # a comma in place of the point is a fault too, and the column one of numbers
    plain = [c.replace(",", ".") if isinstance(c, str) else c for c in values(column)]
    found = [number(cell) for cell in plain]
    there = [each for each in found if each is None or not np.isnan(each)]
    return bool(there) and sum(each is not None for each in there) > 0.5 * len(there)


def texts(column: Any) -> list[str | None]:
    """A column as texts; None where a value is missing, and numbers as they are written."""
    return [None if cell is None else _text(cell) for cell in values(column)]


def values(column: Any) -> list[Any]:
    """A column as Python values."""
    return column if isinstance(column, list) else column.to_pylist()


def is_list(column: Any) -> bool:
    """Whether cells of a column are lists: series within a row."""
    first = next((cell for cell in values(column) if cell is not None), None)
    return isinstance(first, list)


def array(cell: Any, place: str) -> np.ndarray:
    """The series that a cell holds: a list of numbers, or of lists of as many numbers each.

    Args:
        cell: The list.
        place: Where it stands, for a message.

    Returns:
        ``(T, F)`` float32; None is NaN.

    Raises:
        DataError: For anything else.
    """
    rows = cell if isinstance(cell, list) else None
    if rows is not None and not any(isinstance(row, list) for row in rows):
        rows = [[row] for row in rows]
    if rows is None or not all(isinstance(row, list) for row in rows):
        raise DataError(f"{place} contains {str(cell)[:40]!r}; a series is a list of numbers")
    if not rows or not rows[0]:
        raise DataError(f"{place} has no steps; leave it out")
    if len({len(row) for row in rows}) > 1:
        raise DataError(
            f"{place} has steps with different numbers of values; give the same number for each"
        )
    found = [[number(value) for value in row] for row in rows]
    for step, row in enumerate(found):
        for value, given in zip(row, rows[step], strict=True):
            if value is None:
                raise DataError(f"{place}, step {step + 1}, holds {given!r}; write a number")
    return np.array(found, dtype=np.float32).reshape(len(found), -1)


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bytes):  # Parquet files hold texts as such; what is none becomes NUL
        try:
            return cell.decode()
        except UnicodeDecodeError:
            return "\0"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _quick_numbers(column: Any) -> np.ndarray | None:
    """A column as numbers where arrow reads all of its cells as such; None where it does not."""
    if isinstance(column, list):
        return None
    import pyarrow

    try:
        cast = column.cast(pyarrow.float64())
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
        return None
    return cast.to_numpy(zero_copy_only=False)
