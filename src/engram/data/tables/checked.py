"""Columns of a block as numbers and times; a fault is told with its file, line and column."""

from collections.abc import Iterator, Sequence

import numpy as np

from engram.data.tables import cells
from engram.data.tables.table import Block, Table
from engram.errors import DataError

_LARGEST = float(np.finfo(np.float32).max)


def numbered(table: Table) -> Iterator[tuple[int, Block]]:
    """Blocks, and the number of their first row."""
    row = 0
    for block in table.blocks():
        yield row, block
        row += len(next(iter(block.values())))


def numbers_in(
    table: Table, name: str, block: Block, start: int, *, needed: bool = False
) -> np.ndarray:
    """A column as numbers, ``(n,)`` float64, NaN where one is missing.

    Args:
        table: For the place of a fault.
        name: Of the column.
        block: Some rows.
        start: The number of their first row.
        needed: Whether none may be missing.

    Raises:
        DataError: For a cell that holds something else, or a number that float32 does not hold.
    """
    found, bad = cells.numbers(block[name])
    if bad is not None:
        cell = str(cells.values(block[name])[bad])
        comma = cells.number(cell.replace(",", ".")) is not None
        raise DataError(
            f"{table.place(start + bad)}: '{name}' holds {cell[:40]!r}, but must be numeric; "
            + ("write decimal points" if comma else "fix it, or leave the column out")
        )
    wrong = np.abs(found) > _LARGEST
    if needed:
        wrong |= np.isnan(found)
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        where = f"{table.place(start + place)}: '{name}' is"
        if np.isnan(found[place]):
            raise DataError(f"{where} missing; leave the row out")
        size = "infinite" if np.isinf(found[place]) else f"{found[place]:g}"
        raise DataError(f"{where} {size}; give a finite number of at most {_LARGEST:.3g}")
    return found


def matrix_in(table: Table, names: Sequence[str], block: Block, start: int) -> np.ndarray:
    """Several columns as numbers, ``(n, F)`` float64; see `numbers_in`."""
    found = cells.matrix([block[name] for name in names])
    if found is not None and not (np.abs(found) > _LARGEST).any():
        return found.T
    return np.stack([numbers_in(table, name, block, start) for name in names], axis=1)


def texts_in(table: Table, name: str, block: Block, start: int) -> Iterator[str]:
    """A column as texts, none of which is empty.

    Args:
        table, name, block, start: As in `numbers_in`.

    Raises:
        DataError: For a cell that is empty, or holds NUL, or bytes that are not text.
    """
    for place, text in enumerate(cells.texts(block[name])):
        if text is None or not text.strip():
            raise DataError(
                f"{table.place(start + place)}: '{name}' is empty; fill it, or leave the row out"
            )
        refuse_nul(text, table, start + place, name)
        yield text


def times_in(
    table: Table, name: str, block: Block, start: int, dates: bool | None
) -> tuple[np.ndarray, bool]:
    """Times as numbers, or dates as seconds.

    Args:
        table, name, block, start: As in `numbers_in`.
        dates: Whether earlier rows held dates; None before the first. All are of one kind.

    Returns:
        ``(n,)`` float64, and whether they are dates.

    Raises:
        DataError: For a cell that holds neither, or not what the others hold.
    """
    if not dates:
        found, bad = cells.numbers(block[name])
        if bad is None and np.isfinite(found).all():
            return found, False
    times = np.empty(len(block[name]), dtype=np.float64)
    for place, text in enumerate(cells.texts(block[name])):
        when = None if dates is False else cells.date(str(text))
        if when is None:
            raise DataError(
                f"{table.place(start + place)}: '{name}' holds {str(text)[:40]!r}, which is not a "
                f"time; write numbers, or dates such as 2024-01-31 12:00"
            )
        times[place] = when
    return times, True


def refuse_nul(text: str, table: Table, row: int, name: str) -> None:
    """See that a text is one.

    Raises:
        DataError: For NUL in it, with its place.
    """
    if "\0" in text:
        raise DataError(
            f"{table.place(row)}: '{name}' contains NUL or bytes that are not UTF-8, so it is "
            "binary or in another encoding (utf-16?); fix it, or give its encoding with --encoding"
        )
