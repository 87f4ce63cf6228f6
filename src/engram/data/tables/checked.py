"""Columns of a block as numbers and times; a fault is told with its file, line and column."""

from collections.abc import Iterator, Sequence
from typing import Any

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
    form = table.formats.number(name)
    found, bad = cells.numbers(block[name], form)
    if bad is not None:
        cell = str(cells.values(block[name])[bad])
        written = "" if form.is_plain else f" (with {form.about()}, as its first rows)"
        raise DataError(
            f"{table.place(start + bad)}: '{name}' holds {cell[:40]!r}, but must be numeric"
            f"{written}; fix it, or leave the column out"
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
    plain = table.formats.are_plain
    found = cells.matrix([block[name] for name in names]) if plain else None
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


def keys_in(table: Table, name: str, block: Block, start: int) -> tuple[list[str], np.ndarray]:
    """A column of keys: its texts, each once, and the place of each row's among them, ``(n,)``.

    Args:
        table, name, block, start: As in `numbers_in`.

    Raises:
        DataError: As `texts_in`.
    """
    own, places = _distinct(block[name])
    for place, text in enumerate(own):
        if text is None or not text.strip() or "\0" in text:
            row = int(np.flatnonzero(places == place)[0])
            list(texts_in(table, name, {name: [text]}, start + row))  # which raises
    return [text for text in own if text is not None], places


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
    form = None if dates is False else table.formats.date(name, timed=True)
    if form is None and not dates:
        found, bad = cells.numbers(block[name], table.formats.number(name))
        if bad is None and np.isfinite(found).all():
            return found, False
        fault = bad if bad is not None else int(np.flatnonzero(~np.isfinite(found))[0])
        raise DataError(_no_time(table, name, block, start, fault))
    own, places = _distinct(block[name])
    known = [None if form is None or text is None else form.seconds(text) for text in own]
    if None in known:
        lacking = np.array([time is None for time in known])
        fault = int(np.flatnonzero(lacking[places])[0])
        raise DataError(_no_time(table, name, block, start, fault))
    return np.array(known, dtype=np.float64)[places], True


def _distinct(column: Any) -> tuple[list[str | None], np.ndarray]:
    """The texts of a column, each once, and the place of each row's among them."""
    import pyarrow

    if isinstance(column, pyarrow.Array) and pyarrow.types.is_string(column.type):
        found = column.dictionary_encode(null_encoding="encode")
        return found.dictionary.to_pylist(), found.indices.to_numpy(zero_copy_only=False)
    texts = cells.texts(column)
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return list(places), np.array([places[text] for text in texts], dtype=np.int64)


def _no_time(table: Table, name: str, block: Block, start: int, place: int) -> str:
    """What to say of a cell that should hold a time."""
    form = table.formats.date(name, timed=True)
    written = f"not a time written like the others ({form.name})" if form else "not a time"
    return (
        f"{table.place(start + place)}: '{name}' holds "
        f"{str(cells.texts(block[name])[place])[:40]!r}, which is {written}; write numbers, or "
        "dates such as 2024-01-31 12:00"
    )


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
