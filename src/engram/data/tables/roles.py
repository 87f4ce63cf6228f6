"""Roles: what each column of a table is for, as a person says, or as its name and values tell."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from engram.data.tables import cells
from engram.data.tables.evidence import are_unique, codes_of, is_empty, is_whole, repeats
from engram.data.tables.names import SERIES, TARGETS, TIMES, counts_rows, first_named, plain_name
from engram.data.tables.table import Block, Table, listed
from engram.errors import DataError, did_you_mean
from engram.settings import Settings

_FEW = 0.5  # of the rows: values of a label
_RARE = 0.1  # of the rows: values of a label that has several words
_SHORT = 10  # rows of a table in which a label need not come twice
_LONG = 40  # characters of what is no name any more


S = TypeVar("S", bound=Settings)


def with_roles(settings: S, roles: Mapping[str, Any]) -> S:
    """The settings, with what is known of another reading where they say nothing themselves."""
    fields = type(settings).model_fields
    said = {
        name
        for name in settings.model_fields_set
        if getattr(settings, name) not in (fields[name].default, [])
    }
    open_ones = {name: role for name, role in roles.items() if name in fields and name not in said}
    return type(settings).checked(settings.plain() | open_ones, stored=True)


def require_columns(table: Table, said: Sequence[str]) -> None:
    """See that a table has the columns that a person named.

    Raises:
        DataError: For one that does not exist, or is named for two roles.
    """
    known = set(table.columns)
    for name, count in Counter(said).items():
        if name not in known:
            near = did_you_mean(name, table.columns[:1000])
            raise DataError(f"{table.path} has no column '{name}': {near}")
        if count > 1:
            raise DataError(f"the column '{name}' is given two roles; give each column one role")


@dataclass(frozen=True)
class Roles:
    """What each column is for; columns that stand in none of these are left out.

    Attributes:
        target: What is asked, or None.
        text: What is read, where that is a text.
        cell: What is read, where a cell holds a whole series.
        values: What is read, where each row is a step, or a series of them.
        wide: Whether each row is a series, whose steps are the values.
        series: Tells which series a row belongs to, where each row is a step.
        time: Orders the steps of a series.
        left_out: The others.
    """

    target: str | None
    text: str | None = None
    cell: str | None = None
    values: tuple[str, ...] = ()
    series: str | None = None
    time: str | None = None
    left_out: tuple[str, ...] = ()
    wide: bool = False

    def settings(self) -> dict[str, Any]:
        """The roles as a person would name them."""
        return {
            "target": self.target,
            "text": self.text or self.cell,
            "values": list(self.values),
            "series": self.series,
            "time": self.time,
            "wide": self.wide,
        }

    def about(self) -> str:
        """The roles in words."""
        named = [
            ("target", self.target),
            ("text", self.text or None),
            ("series in cells of", self.cell),
            ("series", self.series),
            ("time", self.time),
            ("values", None if self.wide else listed(self.values)),
            ("left out", listed(self.left_out)),
        ]
        said = [f"{role} '{name}'" for role, name in named if name]
        if self.wide:
            ends = f"'{self.values[0]}' to '{self.values[-1]}'"
            said.append(f"each row a series of {len(self.values)} steps, {ends}")
        return "columns: " + "; ".join(said)


def find_roles(
    table: Table,
    *,
    target: str | None = None,
    text: str | None = None,
    values: Sequence[str] = (),
    series: str | None = None,
    time: str | None = None,
    wide: bool = False,
    answered: bool = True,
    numbers: bool = False,
) -> Roles:
    """Decide what each column is for.

    What is not said is guessed: the target by its name (`TARGETS`), else it is the last column; the
    text is the column with the longest texts on average; and where there is none, each row is a
    step of the series that a column called like one of `SERIES` names, or one whose values repeat
    and go with one target each, at a time of one called like `TIMES`; the other columns of numbers
    are its values. Where no row has a series in common with another, and none a time, each row is a
    series and its numbers are the steps.

    Args:
        table: Its columns and first rows.
        target, text, values, series, time: Columns that a person named.
        wide: Whether a person said that each row is a series.
        answered: Whether there has to be a target.
        numbers: Whether targets are numbers.

    Raises:
        DataError: For a column that does not exist or stands in two roles, and where nothing is
            left to read, or to answer.
    """
    said = [name for name in (target, text, series, time, *values) if name is not None]
    require_columns(table, said)
    found = _Found(
        table,
        table.first,
        said,
        target,
        text,
        None,
        tuple(values),
        series,
        time,
        wide,
        answered,
        numbers,
    )
    for rule in (_find_target, _find_cell, _find_text):
        rule(found)
    if found.cell is not None or found.text is not None:
        left = tuple(name for name in found.free if name not in (found.cell, found.text))
        own = None if found.cell else found.text
        return Roles(found.target, own, found.cell, left_out=left)
    for rule in (_find_time, _find_series, _find_layout, _find_values):
        rule(found)
    if wide := found.wide:
        found.series = found.time = None
    used = {found.target, found.series, found.time, *found.values}
    left = tuple(name for name in table.columns if name not in used)
    return Roles(
        found.target,
        values=found.values,
        series=found.series,
        time=found.time,
        left_out=left,
        wide=wide,
    )


@dataclass
class _Found:
    """The roles that are known so far; rules fill in those that are None, one after the other."""

    table: Table
    first: Block
    said: Sequence[str]
    target: str | None
    text: str | None
    cell: str | None
    values: tuple[str, ...]
    series: str | None
    time: str | None
    wide: bool
    answered: bool
    numbers: bool

    def __post_init__(self) -> None:
        named, first = set(self.said), self.first
        self.numeric = self.table.formats.numeric()
        self.lists = [n for n in self.table.columns if cells.is_list(first[n])]
        lists = set(self.lists)
        free = [name for name in self.table.columns if name not in named]
        free = [n for n in free if n in self.numeric or n in lists or not is_empty(first[n])]
        self.free = [name for name in free if not counts_rows(name, first[name])]

    def take(self, name: str | None) -> str | None:
        """A column that is free no more."""
        self.free = [each for each in self.free if each != name]
        return name


def _find_target(found: _Found) -> None:
    """By its name; a label also by its few values, and a number by its place, the last."""
    if found.target is not None:
        return
    lists = set(found.lists)
    suited = [name for name in found.free if name not in lists]
    if found.numbers:
        suited = [name for name in suited if name in found.numeric]
        target = first_named(TARGETS, suited) or (suited[-1] if found.answered and suited else None)
    else:
        target = first_named(TARGETS, [n for n in suited if not _is_measure(found, n)])
        if target is None and found.answered:
            target = _by_few_values(found, suited)
    if found.answered and (len(found.table.columns) < 2 or target is None):
        raise DataError(
            f"{found.table.path} has the columns {found.table.shown()}, and none of them is "
            "clearly the one to predict; name it with --target"
        )
    found.target = found.take(target)


def _by_few_values(found: _Found, suited: Sequence[str]) -> str | None:
    """The column whose values come often: of words or few texts, then of numbers, by their place.

    Raises:
        DataError: Where several are alike.
    """
    key = _series_by_times(found)
    labels = [name for name in suited if name != key and not _is_measure(found, name)]
    counts = {name: int(codes_of(found.first[name]).max(initial=-1)) + 1 for name in labels}
    if not labels:
        return None
    rows = len(codes_of(found.first[found.table.columns[0]]))
    often = [name for name in labels if 1 < counts[name] <= max(2, _FEW * rows)]
    often = often or [name for name in labels if counts[name] < rows]
    texts = [name for name in often if name not in found.numeric]
    words = [name for name in texts if not _has_blanks(found.first[name])]
    few = [name for name in texts if counts[name] <= _RARE * rows]
    numbers = [name for name in often if name in found.numeric]
    at_ends = [name for name in (suited[-1], suited[0]) if name in numbers]
    at_ends.sort(key=lambda name: not is_whole(found.first[name]))
    for alike in (words, few, at_ends[:1] or numbers, texts):
        if len(alike) == 1:
            return alike[0]
        if alike:
            raise DataError(
                f"{found.table.path} has several columns that may be the labels: "
                f"{', '.join(alike)}; name one with --target"
            )
    return labels[-1] if rows <= _SHORT else None


def _is_measure(found: _Found, name: str) -> bool:
    """Whether a column holds numbers with fractions, most of which are different."""
    if name not in found.numeric or is_whole(found.first[name]):
        return False
    codes = codes_of(found.first[name])
    return bool(codes.max(initial=0) + 1 > max(_SHORT, _FEW * len(codes)))


def _has_blanks(column: object) -> bool:
    """Whether cells have several words each, mostly."""
    found = [text.strip() for text in cells.texts(column) if text is not None]
    return sum(" " in text for text in found) > 0.5 * len(found)


def _find_cell(found: _Found) -> None:
    """A column with lists in its cells: the one that was named for text or values, or the first."""
    named = {found.text, *found.values}
    found.cell = next((name for name in found.lists if name in named), None)
    if found.cell is None and found.text is None and not found.values:
        free = set(found.free)
        found.cell = next((name for name in found.lists if name in free), None)


def _find_text(found: _Found) -> None:
    """The longest texts, unless rows are steps of series."""
    if found.text is not None or found.values or found.cell is not None or found.wide:
        return
    named = found.series or first_named(SERIES, found.free)
    if any(name in found.numeric for name in found.free if name != named):
        _find_series(found)
    if found.series is not None:
        return
    other = found.numeric.union(found.lists)
    wordy = [name for name in found.free if name not in other]
    if any(name in other for name in found.free):  # then short words of such names are names, dates
        short = {first_named(SERIES, found.free), found.time or first_named(TIMES, found.free)}
        wordy = [n for n in wordy if n not in short or _mean_length(found.first[n]) > _LONG]
    found.text = max(wordy, key=lambda name: _mean_length(found.first[name]), default=None)


def _find_time(found: _Found) -> None:
    """By its name."""
    if found.time is None:
        found.time = found.take(first_named(TIMES, found.free))


def _find_series(found: _Found) -> None:
    """What makes times unique; by its name, if values repeat; or what has one target for each."""
    if found.series is not None or found.wide:
        return
    found.series = found.take(_series_by_times(found))
    if found.series is not None:
        return
    named = first_named(SERIES, found.free)
    if named is not None:
        found.series = found.take(named) if repeats(found.first[named]) else None
    else:
        found.series = found.take(_series_by_target(found))


def _find_layout(found: _Found) -> None:
    """Each row a series, where there is neither series nor time, and more than two columns."""
    if found.series is not None:
        return
    guessed = found.take(first_named(SERIES, found.free))
    several = len(found.values or [n for n in found.free if n in found.numeric]) > 2
    found.wide = found.wide or (found.time is None and several)
    found.series = None if found.wide else guessed


def _find_values(found: _Found) -> None:
    """All columns of numbers that are free."""
    found.values = found.values or tuple(n for n in found.free if n in found.numeric)
    if not found.values:
        raise DataError(
            f"{found.table.path} has the columns {found.table.shown()}, and none of them contains "
            "texts or numbers to read; name the inputs with --text or --values"
        )
    if found.series is None and not found.wide:
        raise DataError(
            f"{found.table.path} has numeric columns, but none that identifies the series of a "
            "row; name it with --series, or use --wide if each row is a series"
        )


def _series_by_times(found: _Found) -> str | None:
    """The first column of names or whole numbers with which times are unique that are not alone."""
    time = found.time or first_named(TIMES, found.free)
    if time is None:
        return None
    times = codes_of(found.first[time])
    if are_unique([times]):
        return None
    named = first_named(SERIES, found.free)
    texts = [name for name in found.free if name not in found.numeric]
    for name in dict.fromkeys([*filter(None, [named]), *texts, *found.free]):
        if name == time or (name in found.numeric and not is_whole(found.first[name])):
            continue
        codes = codes_of(found.first[name])
        if codes.max(initial=0) + 1 <= _FEW * len(codes) and are_unique([times, codes]):
            return name
    return None


def _series_by_target(found: _Found) -> str | None:
    """The first column whose values come twice on average, and with one target each.

    These are short names, or else whole numbers that stand together.
    """
    texts = [name for name in found.free if name not in found.numeric]
    if found.target is None or any(_mean_length(found.first[name]) > _LONG for name in texts):
        return None
    asked = cells.texts(found.first[found.target])
    for whole in (False, True):
        for name in found.free:
            if (name in found.numeric) is not whole or plain_name(name) in TIMES:
                continue
            own = cells.texts(found.first[name])
            known = set(own)
            if not 1 < len(known) <= len(own) // 2 or (whole and not _stand_together(own, known)):
                continue
            if len(set(zip(own, asked, strict=True))) == len(known):
                return name
    return None


def _stand_together(found: Sequence[str | None], known: set[str | None]) -> bool:
    """Whether values are whole numbers, and equal ones follow each other."""
    changes = sum(one != two for one, two in pairwise(found))
    return changes < len(known) and all(each and each.isdigit() for each in known)


def _mean_length(column: object) -> float:
    found = [len(text) for text in cells.texts(column) if text is not None]
    return sum(found) / max(1, len(found))
