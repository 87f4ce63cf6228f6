"""Roles of panels: what each column is for, as a person says, or as names and values tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from engram.data.tables import cells
from engram.data.tables.evidence import (
    are_unique,
    codes_of,
    is_constant,
    is_empty,
    is_whole,
    repeats,
)
from engram.data.tables.joined import joined_name, part_of
from engram.data.tables.kinds import Kind, kind_of
from engram.data.tables.names import SERIES, TIMES, counts_rows, first_named
from engram.data.tables.roles import require_columns
from engram.data.tables.table import Table, listed
from engram.errors import DataError

TARGETS = ("value", "values", "target", "y", "sales", "demand", "count", "load")
Named = str | Sequence[str] | None
"""Columns that a person named; models of before have one name, or None, where several may stand."""

WIDE_TIME, WIDE_VALUE = "date", "value"
"""Columns that rows become which are series."""

_LEAST_WIDE = 3  # columns that are named by dates
_TRIED = 8  # columns that may be part of a key


@dataclass(frozen=True)
class PanelRoles:
    """What each column is for.

    Attributes:
        targets: What is asked for; several are series of their own.
        series: Tell together which series a row belongs to; empty where there is one alone.
        time: Order the steps, together; empty where rows stand in order.
        past: Columns that are known up to now.
        known: Columns that are known ahead.
        left_out: The others.
        wide: Columns that are named by dates: each row is a series, and they are its steps.
        reasons: Why a column was taken, where its values decided.
    """

    targets: tuple[str, ...]
    series: tuple[str, ...] = ()
    time: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def key(self) -> str | None:
        """The one column that tells series apart; see `with_keys`."""
        return joined_name(self.series) if self.series else None

    @property
    def clock(self) -> str | None:
        """The one column of times; see `with_times`."""
        return joined_name(self.time) if self.time else None

    def settings(self) -> dict[str, Any]:
        """The roles as a person would name them; rows that are series are found so again."""
        if self.wide:
            return {"series": list(self.series)}
        return {
            "target": list(self.targets),
            "series": list(self.series),
            "time": list(self.time),
            "past": list(self.past),
            "known": list(self.known),
        }

    def about(self) -> str:
        """The roles in words."""
        shown = self.targets
        several = f"{', '.join(shown[:3])}{', …' if len(shown) > 3 else ''}"
        named = [
            ("target" if len(shown) == 1 else f"{len(shown)} targets", several),
            ("series", self.key),
            ("time", self.clock),
            ("known up to now", ", ".join(self.past)),
            ("known ahead", ", ".join(self.known)),
            ("left out", listed(self.left_out)),
        ]
        return "columns: " + "; ".join(f"{role} '{name}'" for role, name in named if name)


def find_panel_roles(
    table: Table,
    *,
    targets: Named = (),
    series: Named = (),
    time: Named = (),
    past: Named = (),
    known: Named = (),
) -> PanelRoles:
    """Decide what each column is for.

    What is not said is found in the first rows. Columns that are empty, or number the rows, have
    no role. The time is a column of dates, or one of numbers with a name of `TIMES`; a year and a
    month, or a date and an hour, are one time. The series is what makes times unique, if they are
    not so alone: a column, or two; without a time, it is one with a name of `SERIES`. With a
    series, the target is the column called like one of `TARGETS`, else the last one of numbers;
    without one, each column of numbers is a series.

    Args:
        table: Its columns and first rows.
        targets, series, time, past, known: Columns that a person named.

    Raises:
        DataError: For a column that does not exist or stands in two roles, and where nothing is
            left to forecast.
    """
    chosen, key, clock, before, ahead = map(_names, (targets, series, time, past, known))
    said = [*chosen, *key, *clock, *before, *ahead]
    require_columns(table, said)
    guess = _Guess(table, set(said))
    clock = clock or guess.time()
    reasons: list[str] = []
    if not key:
        key, reasons = guess.series(clock)
    if not (chosen or clock) and (wide := guess.dated_names()):
        key = key or guess.texts()[:1]
        left = tuple(n for n in table.columns if n not in {*wide, *key})
        why = f"each row is a series, as {len(wide)} columns are named by dates"
        return PanelRoles((WIDE_VALUE,), key, (WIDE_TIME,), (), (), left, wide, (why,))
    chosen = chosen or guess.targets(with_series=bool(key))
    if not chosen:
        raise DataError(
            f"{table.path} has the columns {table.shown()}, but no numeric column to forecast; "
            "name it with --target"
        )
    used = {*said, *chosen, *key, *clock}
    left = tuple(name for name in table.columns if name not in used)
    return PanelRoles(chosen, key, clock, before, ahead, left, (), tuple(reasons))


def _names(named: Named) -> tuple[str, ...]:
    return (named,) if isinstance(named, str) else tuple(named or ())


class _Guess:
    """Columns that have no role yet, and the rules that give them one."""

    def __init__(self, table: Table, said: set[str]) -> None:
        self.table = table
        first = table.first
        self.surely = table.formats.numeric()
        free = [name for name in table.columns if name not in said]
        free = [n for n in free if n in self.surely or not is_empty(first[n])]
        self.free = [name for name in free if not counts_rows(name, first[name])]
        self.numeric = [n for n in self.free if n in self.surely or table.formats.looks_numeric(n)]

    def _take(self, *names: str) -> tuple[str, ...]:
        self.free = [name for name in self.free if name not in names]
        return names

    def time(self) -> tuple[str, ...]:
        """Dates first, by name and then by place; then parts of dates; then numbers by name."""
        formats = self.table.formats
        dated = [n for n in self.free if n not in self.surely and formats.is_dated(n)]
        parts = {part: name for name in reversed(self.free) if (part := part_of(name))}
        day = first_named(TIMES, dated) or next(iter(dated), None)
        if day is not None:
            hour = parts.get("hour") or first_named(("time", "time_of_day", "clock"), self.free)
            split = hour not in (None, day) and repeats(self.table.first[day])
            return self._take(day, hour) if split and hour is not None else self._take(day)
        if "year" in parts and "month" in parts:
            return self._take(*parts.values())
        names = [n for n in TIMES if n != "index"]  # which is a measure too
        named = first_named(names, self.free)
        return () if named is None else self._take(named)

    def series(self, clock: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
        """What makes times unique, and why."""
        named = first_named(SERIES, self.free)
        candidates = [named] if named is not None else []
        numbers = set(self.numeric)
        candidates += [n for n in self.free if n not in numbers and n != named]
        candidates += [n for n in self.numeric if n in self.free and n != named]
        first = self.table.first
        if not clock:
            texts = [n for n in candidates if n == named or n not in numbers]
            key = next((name for name in texts if repeats(first[name])), None)
            return (() if key is None else self._take(key)), []
        times = [codes_of(first[name]) for name in clock]
        if are_unique(times):  # a name that is the same in all first rows may change after them
            texts = [n for n in candidates if n == named or n not in numbers]
            key = next((name for name in texts if is_constant(first[name])), None)
            return (() if key is None else self._take(key)), []
        suited = [n for n in candidates if n == named or self._may_be_key(n)][:_TRIED]
        for count in (1, 2):
            for some in combinations(suited, count):
                if are_unique([*times, *(codes_of(first[name]) for name in some)]):
                    said = " and ".join(f"'{name}'" for name in some)
                    why = f"{said}: series, as times are unique only with it"
                    return self._take(*some), [why]
        key = next((name for name in suited if name == named or name not in numbers), None)
        return (() if key is None else self._take(key)), []

    def dated_names(self) -> tuple[str, ...]:
        """The columns of numbers that are named by dates, if there are several."""
        numeric = [name for name in self.numeric if kind_of(name) is Kind.DATE]
        return tuple(numeric) if len(numeric) >= _LEAST_WIDE else ()

    def texts(self) -> tuple[str, ...]:
        """The columns that are not of numbers, those with names of series first."""
        others = [name for name in self.free if name not in self.numeric]
        return tuple(sorted(others, key=lambda name: name != first_named(SERIES, others)))

    def targets(self, *, with_series: bool) -> tuple[str, ...]:
        """By name; else the last number where there are series, or all numbers."""
        free = {name for name in self.free if not self._is_yes_or_no(name)}
        numeric = [name for name in self.numeric if name in free]
        named = first_named(TARGETS, numeric)
        if named is not None:
            return (named,)
        return tuple(numeric[-1:] if with_series else numeric)

    def _is_yes_or_no(self, name: str) -> bool:
        """Whether a column holds 0 and 1 alone, as an event or a promotion does."""
        found = {text for text in cells.texts(self.table.first[name]) if text is not None}
        return found == {"0", "1"}

    def _may_be_key(self, name: str) -> bool:
        """Whether a column has few values, and none with a fraction."""
        column = self.table.first[name]
        codes = codes_of(column)
        if codes.max(initial=0) + 1 > 0.5 * len(codes):
            return False
        return name not in self.numeric or is_whole(column)
