"""Panels from tables: a column a series, or a row a step of a series that a column names."""

from collections.abc import Iterator, Sequence

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.arrays.spool import Passing, Spool
from engram.data.panels.calendars.calendar import Calendar
from engram.data.panels.calendars.finding import find_calendar
from engram.data.panels.following import require_calendar
from engram.data.panels.panel import Panel
from engram.data.panels.roles import WIDE_TIME, WIDE_VALUE, PanelRoles
from engram.data.tables import cells
from engram.data.tables.checked import keys_in, matrix_in, numbered, times_in
from engram.data.tables.joined import with_keys, with_times
from engram.data.tables.steps import Steps
from engram.data.tables.table import Block, Table
from engram.errors import DataError


def read_panel(
    tables: Sequence[Table], roles: PanelRoles, calendar: Calendar | None = None
) -> tuple[Panel, list[str]]:
    """Read all series of tables, block by block; a later table may go on with a series.

    A table without the targets has rows to come: what is known ahead, by series and time.

    Args:
        tables: The files.
        roles: What their columns are for.
        calendar: That the series have to follow; None finds the one that most of them follow.

    Returns:
        The series, and warnings about them, one sentence each.

    Raises:
        DataError: For a cell that does not hold what its column is for, with its place, times that
            come twice in a series, and series that follow another calendar.
    """
    keys: dict[str, int] = {}
    others = (*roles.past, *roles.known)
    clock = roles.clock
    steps = Steps(1 + len(others), timed=clock is not None)
    begins: list[int] = []  # how many steps were read before each table
    dates: bool | None = None
    total = 0
    tables = [_with_joined(table, roles) for table in tables]
    for table in tables:
        begins.append(total)
        for start, block in numbered(table):
            codes = _codes(table, roles, block, start, keys)
            values = _matrix(table, roles.targets, block, start)[:, :, None]
            if others:
                same = _matrix(table, others, block, start)[:, None]
                beside = np.broadcast_to(same, (*values.shape[:2], len(others)))
                values = np.concatenate([values, beside], axis=2)
            times = None
            if clock is not None:
                own, dates = times_in(table, clock, block, start, dates)
                times = np.repeat(own, len(roles.targets))
            steps.extend(codes, values.reshape(codes.size, -1), times)
            total += codes.size
    sequences, times, order = steps.finish(len(keys), (roles.targets[0], *others))
    if order.twice is not None:
        row, code = order.twice
        place = sum(begin <= row for begin in begins) - 1
        where = tables[place].place((row - begins[place]) // len(roles.targets))
        raise DataError(
            f"{where}: series '{list(keys)[code]}' has this '{clock}' twice; remove one, or "
            "name the columns that tell series apart with --series"
        )
    if times is None:
        counted = Spool(np.float64)
        for length in sequences.lengths:
            counted.extend(np.arange(length))
        times = counted.finish()
    notes = []
    if order.unsorted:
        notes.append(
            f"{order.unsorted:,} series were not in the order of '{clock}'; they were sorted"
        )
    parts, whole, names, ahead, empty = _trimmed(sequences, times, list(keys), roles)
    if empty:
        notes.append(f"{len(empty):,} series without a value are left out, such as '{empty[0]}'")
    found = calendar or find_calendar(whole, parts.offsets, dates=bool(dates))
    panel = Panel(parts, whole, names, len(roles.past), found, ahead)
    require_calendar(panel, dates=bool(dates), trained=calendar is not None)
    return panel, notes


def _with_joined(table: Table, roles: PanelRoles) -> Table:
    """A table with one column of keys and one of times.

    Raises:
        DataError: For a table that lacks a column that is used, or that rows to come have.
    """
    if roles.wide:
        table = _with_rows_of_steps(table, roles)
    used = (*roles.targets, *roles.series, *roles.time, *roles.past, *roles.known)
    if is_ahead(table, roles.targets, roles.known):
        used = (*roles.series, *roles.time, *roles.known)
    _require(table, used)
    return with_times(with_keys(table, roles.series), roles.time)


def _require(table: Table, used: Sequence[str]) -> None:
    """See that a table has all columns that are used."""
    known = set(table.columns)
    for name in used:
        if name not in known:
            raise DataError(
                f"{table.path} has no column '{name}', but the files before it do; give tables "
                "with the same columns"
            )


def _with_rows_of_steps(table: Table, roles: PanelRoles) -> Table:
    """A table whose rows are series as one whose rows are steps.

    Raises:
        DataError: For a table that lacks a column that is used.
    """
    _require(table, (*roles.series, *roles.wide))

    def blocks() -> Iterator[Block]:
        for start, block in numbered(table):
            values = matrix_in(table, roles.wide, block, start)
            repeated = {
                name: [text for text in cells.texts(block[name]) for _ in roles.wide]
                for name in roles.series
            }
            dates = list(roles.wide) * len(values)
            yield {**repeated, WIDE_TIME: dates, WIDE_VALUE: values.reshape(-1).tolist()}

    columns = [*roles.series, WIDE_TIME, WIDE_VALUE]
    return Table(table.path, columns, blocks, reading={**table.reading, "decimal": None})


def is_ahead(table: Table, targets: Sequence[str], known: Sequence[str]) -> bool:
    """Whether all rows of a table are yet to come: it has what is known ahead, and no target."""
    columns = set(table.columns)
    return bool(known) and columns.issuperset(known) and columns.isdisjoint(targets)


def _matrix(table: Table, names: Sequence[str], block: Block, start: int) -> np.ndarray:
    """As `matrix_in`; columns that a table of rows to come lacks are missing."""
    there = [name for name in names if name in block]
    if len(there) == len(names):
        return matrix_in(table, names, block, start)
    found = np.full((len(next(iter(block.values()))), len(names)), np.nan)
    if there:
        found[:, [names.index(name) for name in there]] = matrix_in(table, there, block, start)
    return found


def _codes(
    table: Table, roles: PanelRoles, block: Block, start: int, keys: dict[str, int]
) -> np.ndarray:
    """The number of the series of each step of a block, row by row, ``(rows · targets,)``."""
    rows = len(next(iter(block.values())))
    if roles.key is None:
        own = [keys.setdefault(target, len(keys)) for target in roles.targets]
        return np.tile(np.array(own, dtype=np.int64), rows)
    found, places = keys_in(table, roles.key, block, start)
    codes = np.empty((len(found), len(roles.targets)), dtype=np.int64)
    for row, key in enumerate(found):
        for place, target in enumerate(roles.targets):
            name = key if len(roles.targets) == 1 else f"{key} {target}"
            codes[row, place] = keys.setdefault(name, len(keys))
    return codes[places].reshape(-1)


def _trimmed(
    sequences: Sequences,
    times: np.ndarray,
    keys: list[str],
    roles: PanelRoles,
) -> tuple[Sequences, np.ndarray, list[str], np.ndarray, list[str]]:
    """Steps before the first value are no steps, and those after the last one are yet to come.

    Returns:
        What is left, its times, the names of its series, how many steps of each are yet to come,
        and the names of those without a value.
    """
    ahead: list[int] = []
    parts: list[np.ndarray] = []
    kept: list[slice] = []
    empty: list[str] = []
    read, timed = Passing(sequences.values), Passing(times)
    for index, key in enumerate(keys):
        own = sequences[index]
        read.over(own.nbytes)
        there = np.flatnonzero(~np.isnan(own[:, 0]))
        if not len(there):
            empty.append(key)
            continue
        begin, end = int(there[0]), int(there[-1]) + 1
        known = np.flatnonzero(~np.isnan(own[end:, 1 + len(roles.past) :]).all(axis=1))
        coming = int(known[-1]) + 1 if len(known) else 0
        offset = int(sequences.offsets[index])
        kept.append(slice(offset + begin, offset + end + coming))
        parts.append(own[begin : end + coming])
        ahead.append(coming)
    if not parts:
        raise DataError(
            f"no series has a value in {', '.join(map(repr, roles.targets[:3]))}; name the column "
            "with --target"
        )
    made = Sequences.of(parts, sequences.columns)
    laid = Spool(np.float64)
    for part in kept:
        laid.extend(times[part])
        timed.over(times[part].nbytes)
    left_out = set(empty)
    names = [key for key in keys if key not in left_out]
    return made, laid.finish(), names, np.array(ahead, dtype=np.int64), empty
