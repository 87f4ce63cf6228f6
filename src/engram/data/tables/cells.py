"""Cells: the values of a column as numbers or texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engram.data.tables.numbers import NumberFormat, column_numbers
from engram.errors import DataError

_PLAIN = NumberFormat()


def number(cell: Any, form: NumberFormat = _PLAIN) -> float | None:
    """The number of a cell, NaN where it is missing, None where it is something else."""
    if cell is None:
        return float("nan")
    if isinstance(cell, int | float):  # bool among them
        try:
            return float(cell)
        except OverflowError:  # as JSON may write it; the text 1e400 is infinite too
            return float("inf") if cell > 0 else float("-inf")
    return form.number(cell) if isinstance(cell, str) else None


def numbers(column: Any, form: NumberFormat = _PLAIN) -> tuple[np.ndarray, int | None]:
    """A column as numbers, as far as it is made of them.

    Args:
        column: An arrow array, or a list.
        form: How texts in it write numbers.

    Returns:
        ``(n,)`` float64, NaN where a value is missing; and the place of the first cell that holds
        something else, or None.
    """
    quick = _quick_numbers(column, form)
    if quick is not None:
        return quick, None
    found = np.full(len(column), np.nan)
    for place, cell in enumerate(values(column)):
        value = number(cell, form)
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
    found = _quick_numbers(pyarrow.concat_arrays(columns), _PLAIN)
    return None if found is None else found.reshape(len(columns), -1)


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


def _quick_numbers(column: Any, form: NumberFormat) -> np.ndarray | None:
    """A column as numbers where arrow reads all of its cells as such; None where it does not."""
    if isinstance(column, list):
        return None
    import pyarrow

    if not form.is_plain:
        return column_numbers(column, form)
    try:
        cast = column.cast(pyarrow.float64())
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
        return column_numbers(column, form)
    found: np.ndarray = cast.to_numpy(zero_copy_only=False)
    return found
