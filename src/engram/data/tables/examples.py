"""Examples from tables: a text a row, a series a cell, or a step a row."""

from collections.abc import Iterator, Sequence

import numpy as np

from engram.data.labelled import Examples
from engram.data.sequences import Sequences
from engram.data.tables import cells
from engram.data.tables.roles import Roles
from engram.data.tables.table import Block, Table
from engram.errors import DataError


def examples_of(table: Table, roles: Roles, *, numbers: bool) -> Examples:
    """Read all examples of a table.

    Args:
        table: The file.
        roles: What its columns are for.
        numbers: Whether targets are numbers, not labels.

    Raises:
        DataError: For a cell that does not hold what its column is for, with its place, targets
            that are missing or change within a series, and times that come twice in a series.
    """
    if roles.values:
        return _steps(table, roles, numbers)
    return _rows(table, roles, numbers)


def _rows(table: Table, roles: Roles, numbers: bool) -> Examples:
    """One example a row."""
    read = roles.cell or roles.text
    assert read is not None
    inputs: list[str] = []
    arrays: list[np.ndarray] = []
    targets: list[str | float] = []
    names: list[str] = []
    for start, block in _numbered(table):
        if roles.target is not None:
            targets += _targets(table, roles.target, block, start, numbers)
        if roles.cell is not None:
            found = enumerate(cells.values(block[read]))
            arrays += [cells.array(c, f"{table.name(start + n)}, '{read}'") for n, c in found]
        else:
            for place, text in enumerate(cells.texts(block[read])):
                if text is None or not text.strip():
                    raise DataError(
                        f"{table.place(start + place)}: '{read}' is empty; leave the row out"
                    )
                inputs.append(text)
        names += [table.name(start + place) for place in range(len(block[read]))]
    made = Sequences.of(arrays) if roles.cell is not None else inputs
    return Examples(made, _joined(targets, roles, numbers), names)


def _steps(table: Table, roles: Roles, numbers: bool) -> Examples:
    """One step a row: those of a series need not stand together, and are ordered by time."""
    assert roles.series is not None
    code_of: dict[str, int] = {}
    codes: list[np.ndarray] = []
    values: list[np.ndarray] = []
    times: list[np.ndarray] = []
    target_of: list[str | float] = []
    first_row: list[int] = []
    for start, block in _numbered(table):
        keys = cells.texts(block[roles.series])
        targets = (
            [] if roles.target is None else _targets(table, roles.target, block, start, numbers)
        )
        own = np.empty(len(keys), dtype=np.int64)
        for place, key in enumerate(keys):
            if key is None or not key.strip():
                raise DataError(
                    f"{table.place(start + place)}: '{roles.series}' is empty; say which series "
                    "the row belongs to"
                )
            code = code_of.setdefault(key, len(code_of))
            own[place] = code
            if code == len(first_row):
                first_row.append(start + place)
                target_of += targets[place : place + 1]
            elif targets and not _same(targets[place], target_of[code]):
                raise DataError(
                    f"{table.place(start + place)}: '{roles.target}' is {targets[place]!r}, and "
                    f"{target_of[code]!r} before in series '{key}'; give a series one"
                )
        codes.append(own)
        columns = [_numbers(table, name, block, start) for name in roles.values]
        values.append(np.stack(columns, axis=1).astype(np.float32))
        if roles.time is not None:
            times.append(_times(table, roles.time, block, start))
    every = np.concatenate(codes)
    flat = np.concatenate(values)
    order = np.argsort(every, kind="stable")
    if roles.time is not None:
        time = np.concatenate(times)
        order = np.lexsort((time, every))
        again = (np.diff(time[order]) == 0) & (np.diff(every[order]) == 0)
        if again.any():
            row = int(order[int(np.flatnonzero(again)[0]) + 1])
            name = list(code_of)[every[row]]
            raise DataError(
                f"{table.place(row)}: series '{name}' has this '{roles.time}' twice; leave one out"
            )
    if not np.array_equal(order, np.arange(len(order))):
        flat = flat[order]
    lengths = np.bincount(every, minlength=len(code_of))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    names = [f"{table.path} series '{key}'" for key in code_of]
    made = Sequences(flat, offsets, roles.values)
    return Examples(made, _joined(target_of, roles, numbers), names)


def _numbered(table: Table) -> Iterator[tuple[int, Block]]:
    """Blocks, and the number of their first row."""
    row = 0
    for block in table.blocks():
        yield row, block
        row += len(next(iter(block.values())))


def _targets(table: Table, name: str, block: Block, start: int, numbers: bool) -> list[str | float]:
    if numbers:
        found = _numbers(table, name, block, start)
        missing = np.flatnonzero(~np.isfinite(found))
        if len(missing):
            raise DataError(
                f"{table.place(start + int(missing[0]))}: '{name}' is missing; leave the row out"
            )
        return found.tolist()
    labels: list[str | float] = []
    for place, label in enumerate(cells.texts(block[name])):
        if label is None or not label.strip():
            raise DataError(f"{table.place(start + place)}: '{name}' is missing; leave the row out")
        labels.append(label.strip())
    return labels


def _numbers(table: Table, name: str, block: Block, start: int) -> np.ndarray:
    found, bad = cells.numbers(block[name])
    if bad is not None:
        raise DataError(
            f"{table.place(start + bad)}: '{name}' holds "
            f"{str(cells.values(block[name])[bad])[:40]!r}, where numbers belong; mend it, or "
            "leave the column out"
        )
    return found


def _times(table: Table, name: str, block: Block, start: int) -> np.ndarray:
    """Times as numbers, or dates as nanoseconds."""
    found, bad = cells.numbers(block[name])
    if bad is None and not np.isnan(found).any():
        return found
    times = np.empty(len(block[name]), dtype=np.float64)
    for place, text in enumerate(cells.texts(block[name])):
        try:
            times[place] = np.datetime64(str(text).strip().replace("/", "-"), "ns").astype(np.int64)
        except ValueError:
            raise DataError(
                f"{table.place(start + place)}: '{name}' holds {str(text)[:40]!r}, which is no "
                "time; write numbers, or dates such as 2024-01-31 12:00"
            ) from None
    return times


def _same(one: str | float, other: str | float) -> bool:
    return one == other


def _joined(
    targets: Sequence[str | float], roles: Roles, numbers: bool
) -> list[str] | np.ndarray | None:
    if roles.target is None:
        return None
    return np.array(targets, dtype=np.float64) if numbers else [str(each) for each in targets]


def leaks(examples: Examples) -> list[str]:
    """Columns that give the target away: the same at every step of a series, and each of its
    values with one target alone.

    Returns:
        A sentence for each.
    """
    given, targets = examples.inputs, examples.targets
    if targets is None or not isinstance(given, Sequences) or len(given) < 10:
        return []
    first = given.values[given.offsets[:-1]]
    found = []
    for column, name in enumerate(given.columns):
        firsts = np.repeat(first[:, column], given.lengths)
        if not np.array_equal(firsts, given.values[:, column]):
            continue
        pairs = set(zip(first[:, column].tolist(), [str(t) for t in targets], strict=True))
        known = {value for value, _ in pairs}
        if len(pairs) == len(known) and 1 < len(known) <= max(2, len(given) // 2):
            found.append(
                f"the column '{name}' tells the target: each of its values goes with one target "
                "alone; leave it out with --values, unless it is known when predictions are made"
            )
    return found
