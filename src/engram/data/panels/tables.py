"""Panels from tables: a column a series, or a row a step of a series that a column names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.arrays.spool import Passing, Spool
from engram.data.panels.calendars.calendar import Calendar
from engram.data.panels.calendars.finding import find_calendar
from engram.data.panels.following import require_calendar
from engram.data.panels.panel import Panel
from engram.data.tables import cells
from engram.data.tables.checked import matrix_in, numbered, texts_in, times_in
from engram.data.tables.roles import SERIES, TIMES, first_named, repeats, require_columns
from engram.data.tables.steps import Steps
from engram.data.tables.table import Block, Table, listed
from engram.errors import DataError

TARGETS = ("value", "values", "target", "y", "sales", "demand", "count", "load")


@dataclass(frozen=True)
class PanelRoles:
    """What each column is for.

    Attributes:
        targets: What is asked for; several are series of their own.
        series: Tells which series a row belongs to, or None.
        time: Orders the steps, or None, where rows stand in order.
        past: Columns that are known up to now.
        known: Columns that are known ahead.
        left_out: The others.
    """

    targets: tuple[str, ...]
    series: str | None = None
    time: str | None = None
    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def settings(self) -> dict[str, Any]:
        """The roles as a person would name them."""
        return {
            "target": list(self.targets),
            "series": self.series,
            "time": self.time,
            "past": list(self.past),
            "known": list(self.known),
        }

    def about(self) -> str:
        """The roles in words."""
        shown = self.targets
        several = f"{', '.join(shown[:3])}{', …' if len(shown) > 3 else ''}"
        named = [
            ("target" if len(shown) == 1 else f"{len(shown)} targets", several),
            ("series", self.series),
            ("time", self.time),
            ("known up to now", ", ".join(self.past)),
            ("known ahead", ", ".join(self.known)),
            ("left out", listed(self.left_out)),
        ]
        return "columns: " + "; ".join(f"{role} '{name}'" for role, name in named if name)


def find_panel_roles(
    table: Table,
    first: Block,
    *,
    targets: Sequence[str] = (),
    series: str | None = None,
    time: str | None = None,
    past: Sequence[str] = (),
    known: Sequence[str] = (),
) -> PanelRoles:
    """Decide what each column is for.

    What is not said is guessed: the time by its name (`TIMES`), else it is the first column of
    dates; the series by its name (`SERIES`), else it is a column of texts, where its values repeat.
    Where there is a column of series, the target is the column called like one of `TARGETS`, else
    the last one of numbers; where there is none, each column of numbers is a series.

    Args:
        table: Its columns.
        first: Its first rows.
        targets, series, time, past, known: Columns that a person named.

    Raises:
        DataError: For a column that does not exist or stands in two roles, and where nothing is
            left to forecast.
    """
    columns = table.columns
    said = [name for name in (*targets, series, time, *past, *known) if name is not None]
    require_columns(table, said)
    named_ones = set(said)
    free = [name for name in columns if name not in named_ones]
    free = [name for name in free if not _counts_rows(name, first[name])]
    surely = cells.numeric_columns({name: first[name] for name in free})
    numeric = [name for name in free if name in surely or cells.holds_numbers(first[name])]
    if time is None:
        time = first_named(TIMES, free) or next((n for n in free if _is_dated(first[n])), None)
        free = [name for name in free if name != time]
    if series is None:
        named = first_named(SERIES, free)
        of_numbers = set(numeric)
        texts = [name for name in free if name not in of_numbers]
        guesses = [name for name in (named, *texts) if name is not None]
        series = next((name for name in guesses if repeats(first[name])), None)
        free = [name for name in free if name != series]
    still_free = set(free)
    numeric = [name for name in numeric if name in still_free]
    chosen = tuple(targets)
    if not chosen:
        named = first_named(TARGETS, numeric)
        if named is not None:
            chosen = (named,)
        else:
            chosen = tuple(numeric if series is None else numeric[-1:])
    if not chosen:
        raise DataError(
            f"{table.path} has the columns {table.shown()}, but no numeric column to forecast; "
            "name it with --target"
        )
    used = {*said, *chosen, series, time}
    left = tuple(name for name in columns if name not in used)
    return PanelRoles(chosen, series, time, tuple(past), tuple(known), left)


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
    steps = Steps(1 + len(others), timed=roles.time is not None)
    begins: list[int] = []  # how many steps were read before each table
    dates: bool | None = None
    total = 0
    for table in tables:
        _require(table, roles)
        begins.append(total)
        for start, block in numbered(table):
            codes = _codes(table, roles, block, start, keys)
            values = _matrix(table, roles.targets, block, start)[:, :, None]
            if others:
                same = _matrix(table, others, block, start)[:, None]
                beside = np.broadcast_to(same, (*values.shape[:2], len(others)))
                values = np.concatenate([values, beside], axis=2)
            times = None
            if roles.time is not None:
                own, dates = times_in(table, roles.time, block, start, dates)
                times = np.repeat(own, len(roles.targets))
            steps.extend(codes, values.reshape(codes.size, -1), times)
            total += codes.size
    sequences, times, order = steps.finish(len(keys), (roles.targets[0], *others))
    if order.twice is not None:
        row, code = order.twice
        place = sum(begin <= row for begin in begins) - 1
        where = tables[place].place((row - begins[place]) // len(roles.targets))
        raise DataError(
            f"{where}: series '{list(keys)[code]}' has this '{roles.time}' twice; remove one"
        )
    if times is None:
        counted = Spool(np.float64)
        for length in sequences.lengths:
            counted.extend(np.arange(length))
        times = counted.finish()
    notes = []
    if order.unsorted:
        notes.append(
            f"{order.unsorted:,} series were not in the order of '{roles.time}'; they were sorted"
        )
    parts, whole, names, ahead, empty = _trimmed(sequences, times, list(keys), roles)
    if empty:
        notes.append(f"{len(empty):,} series without a value are left out, such as '{empty[0]}'")
    found = calendar or find_calendar(whole, parts.offsets, dates=bool(dates))
    panel = Panel(parts, whole, names, len(roles.past), found, ahead)
    require_calendar(panel, dates=bool(dates), trained=calendar is not None)
    return panel, notes


def _require(table: Table, roles: PanelRoles) -> None:
    """See that a table has all columns that are used, or all that rows to come have."""
    used = (*roles.targets, roles.series, roles.time, *roles.past, *roles.known)
    known = set(table.columns)
    if is_ahead(table, roles.targets, roles.known):
        used = (roles.series, roles.time, *roles.known)
    for name in used:
        if name is not None and name not in known:
            raise DataError(
                f"{table.path} has no column '{name}', but the files before it do; give tables "
                "with the same columns"
            )


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
    if roles.series is None:
        own = [keys.setdefault(target, len(keys)) for target in roles.targets]
        return np.tile(np.array(own, dtype=np.int64), rows)
    codes = np.empty((rows, len(roles.targets)), dtype=np.int64)
    for row, key in enumerate(texts_in(table, roles.series, block, start)):
        for place, target in enumerate(roles.targets):
            name = key if len(roles.targets) == 1 else f"{key} {target}"
            codes[row, place] = keys.setdefault(name, len(keys))
    return codes.reshape(-1)


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


def _counts_rows(name: str, column: Any) -> bool:
    """Whether a column without a name is the index that some programs write."""
    if name.lower() not in ("column 1", "unnamed: 0"):
        return False
    found, bad = cells.numbers(column)
    return bad is None and bool((np.diff(found) == 1).all()) and found[0] in (0, 1)


def _is_dated(column: Any) -> bool:
    found = [text for text in cells.texts(column)[:100] if text is not None]
    return bool(found) and all(cells.date(text) is not None for text in found)
