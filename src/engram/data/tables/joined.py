"""Joined columns: several columns as one, such as a date and an hour, or a store and an item."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engram.data.tables import cells
from engram.data.tables.table import Block, Table

PARTS = ("year", "month", "day", "hour", "minute", "second")
"""Names of columns that are parts of a time, from the largest on."""

_SIGNS = ("", "-", "-", " ", ":", ":")  # before each part


def joined_name(names: Sequence[str]) -> str:
    """What the column of several is called."""
    return ", ".join(names)


def with_keys(table: Table, names: Sequence[str]) -> Table:
    """A table with a column of the values of several, which tells rows apart as they do."""
    return _with(table, names, lambda block: [", ".join(row) for row in _rows(block, names)])


def with_times(table: Table, names: Sequence[str]) -> Table:
    """A table with a column of times, made of year, month, …, or of a date and a time of day."""
    parts = sorted((_place(part_of(name)), name) for name in names)
    order = [name for _, name in parts]

    def times(block: Block) -> list[str]:
        return [_time(row, [part_of(name) for name in order]) for row in _rows(block, order)]

    return _with(table, names, times)


def part_of(name: str) -> str | None:
    """The part of a time that a column is by its name."""
    plain = name.strip().lower()
    return plain if plain in PARTS else {"hr": "hour", "yr": "year", "mon": "month"}.get(plain)


def _place(part: str | None) -> int:
    return -1 if part is None else PARTS.index(part)


def _with(table: Table, names: Sequence[str], made: Any) -> Table:
    if len(names) < 2:
        return table
    name = joined_name(names)

    def blocks() -> Iterator[Block]:
        for block in table.blocks():
            yield {**block, name: made(block)}

    return replace(table, columns=[*table.columns, name], blocks=blocks)


def _rows(block: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    columns = [cells.texts(block[name]) for name in names]
    for row in zip(*columns, strict=True):
        yield tuple("" if text is None else text.strip() for text in row)


def _time(row: Sequence[str], parts: Sequence[str | None]) -> str:
    text = ""
    for cell, part in zip(row, parts, strict=True):
        if part is None:  # a date, or a time of day
            text += f" {cell}" if text else cell
        else:
            whole = cell.removesuffix(".0")
            text += (_SIGNS[PARTS.index(part)] if text else "") + whole.zfill(2)
    return f"{text}:00" if parts[-1] == "hour" else text
