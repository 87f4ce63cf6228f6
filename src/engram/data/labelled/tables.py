"""Examples from tables: a text a row, a series a row or a cell, or a step a row."""

from collections.abc import Iterator

import numpy as np

from engram.data.arrays.places import Places
from engram.data.arrays.sequences import Sequences
from engram.data.arrays.spool import Spool
from engram.data.labelled.examples import Examples, Targets
from engram.data.tables import cells
from engram.data.tables.checked import matrix_in, numbered, numbers_in, texts_in, times_in
from engram.data.tables.roles import Roles
from engram.data.tables.steps import Steps
from engram.data.tables.table import Block, Table
from engram.data.text.texts import Texts
from engram.errors import DataError


def examples_of(table: Table, roles: Roles, *, numbers: bool) -> tuple[Examples, list[str]]:
    """Read all examples of a table, block by block.

    Args:
        table: The file.
        roles: What its columns are for.
        numbers: Whether targets are numbers, not labels.

    Returns:
        The examples, and warnings about them, one sentence each.

    Raises:
        DataError: For a cell that does not hold what its column is for, with its place, targets
            that are missing or change within a series, and times that come twice in a series.
    """
    if roles.values and not roles.wide:
        return _steps(table, roles, numbers)
    return _rows(table, roles, numbers), []


class _Answers:
    """Targets as they are read: labels, each one object however often it comes, or numbers."""

    def __init__(self, numbers: bool) -> None:
        self.numbers = numbers
        self._labels: list[str] = []
        self._known: dict[str, str] = {}
        self._figures = Spool(np.float64)

    def extend(self, found: list[str] | np.ndarray) -> None:
        """Add targets."""
        if isinstance(found, list):
            self._labels += [self._known.setdefault(label, label) for label in found]
        else:
            self._figures.extend(found)

    def finish(self) -> Targets:
        """All of them."""
        return self._figures.finish() if self.numbers else self._labels


def _rows(table: Table, roles: Roles, numbers: bool) -> Examples:
    """One example a row."""
    answers = _Answers(numbers)

    def blocks() -> Iterator[tuple[int, Block]]:
        for start, block in numbered(table):
            if roles.target is not None:
                answers.extend(_targets(table, roles.target, block, start, numbers))
            yield start, block

    inputs: Texts | Sequences
    if roles.wide:
        inputs = Sequences.of(_wide(table, roles, blocks()), ("value",))
    elif roles.cell is not None:
        inputs = Sequences.of(_cells(table, roles.cell, blocks()))
    else:
        assert roles.text is not None
        name = roles.text
        inputs = Texts.of(
            text for start, block in blocks() for text in texts_in(table, name, block, start)
        )
    targets = None if roles.target is None else answers.finish()
    return Examples(inputs, targets, Places.rows(f"{table.path} row", len(inputs)))


def _cells(table: Table, name: str, blocks: Iterator[tuple[int, Block]]) -> Iterator[np.ndarray]:
    for start, block in blocks:
        for place, cell in enumerate(cells.values(block[name])):
            yield cells.array(cell, f"{table.name(start + place)}, '{name}'")


def _wide(table: Table, roles: Roles, blocks: Iterator[tuple[int, Block]]) -> Iterator[np.ndarray]:
    """Each row a series ``(T, 1)``; missing values after its last one are no steps of it."""
    for start, block in blocks:
        rows = matrix_in(table, roles.values, block, start).astype(np.float32)
        there = ~np.isnan(rows)
        lengths = rows.shape[1] - there[:, ::-1].argmax(axis=1)
        empty = np.flatnonzero(~there.any(axis=1))
        if len(empty):
            raise DataError(f"{table.place(start + int(empty[0]))} contains no value; leave it out")
        for row, length in zip(rows, lengths, strict=True):
            yield row[:length, None]


def _steps(table: Table, roles: Roles, numbers: bool) -> tuple[Examples, list[str]]:
    """One step a row: those of a series need not stand together, and are ordered by time."""
    assert roles.series is not None
    code_of: dict[str, int] = {}
    steps = Steps(len(roles.values), timed=roles.time is not None)
    target_of: list[str | float] = []
    dates: bool | None = None
    for start, block in numbered(table):
        targets = (
            [] if roles.target is None else _targets(table, roles.target, block, start, numbers)
        )
        codes = np.empty(len(block[roles.series]), dtype=np.int64)
        for place, key in enumerate(texts_in(table, roles.series, block, start)):
            code = code_of.setdefault(key, len(code_of))
            codes[place] = code
            if roles.target is None:
                continue
            if code == len(target_of):
                target_of.append(targets[place])
            elif targets[place] != target_of[code]:
                raise DataError(
                    f"{table.place(start + place)}: '{roles.target}' is {targets[place]!r}, but "
                    f"{target_of[code]!r} before in series '{key}'; give one target per series"
                )
        values = matrix_in(table, roles.values, block, start)
        times = None
        if roles.time is not None:
            times, dates = times_in(table, roles.time, block, start, dates)
        steps.extend(codes, values, times)
    inputs, _, order = steps.finish(len(code_of), roles.values)
    if order.twice is not None:
        row, code = order.twice
        raise DataError(
            f"{table.place(row)}: series '{list(code_of)[code]}' has this '{roles.time}' twice; "
            "remove one"
        )
    notes = []
    if order.unsorted:
        notes.append(
            f"{order.unsorted:,} series of {table.path} were not in the order of '{roles.time}'; "
            "they were sorted"
        )
    if order.irregular:
        notes.append(
            f"{order.irregular:,} series of {table.path} have steps of '{roles.time}' that differ "
            "by more than a fifth; the model treats all steps as equal"
        )
    given: Targets | None = None
    if roles.target is not None:
        given = np.array(target_of, dtype=np.float64) if numbers else [str(t) for t in target_of]
    return Examples(inputs, given, [f"{table.path} series '{key}'" for key in code_of]), notes


def _targets(
    table: Table, name: str, block: Block, start: int, numbers: bool
) -> list[str] | np.ndarray:
    if numbers:
        return numbers_in(table, name, block, start, needed=True)
    return [label.strip() for label in texts_in(table, name, block, start)]
