"""Dates as people write them: one way for each column, found from all of its cells.

A way that fits every cell is taken; where two fit and differ, as for ``03/04/2022``, the person is
asked. Nothing is filled in: a cell that lacks a day or month is a period, told by its first day.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Literal

Order = Literal["day-first", "month-first"]

_CLOCK = re.compile(
    r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?"
    r"\s?(?P<half>[ap])?\.?(?(half)m)\.?)?(?P<zone>(?:\s?(?:Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?))*)",
    re.IGNORECASE | re.ASCII,
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            *("jan january", "feb february", "mar march", "apr april", "may", "jun june"),
            *("jul july", "aug august", "sep sept september", "oct october", "nov november"),
            "dec december",
        ),
        start=1,
    )
    for name in names.split()
}
_TRIED = 1000  # cells of a column in which some are not dates
_CENTURY = 69  # two digits from here on are of the twentieth century, as POSIX has it


@dataclass(frozen=True)
class _Way:
    """One way to write a day: its pattern, and year, month and day of a match."""

    name: str
    pattern: re.Pattern[str]
    read: Callable[[Sequence[str]], date | None]


def _ymd(parts: Sequence[str]) -> date | None:
    return _day(int(parts[0]), int(parts[1]), int(parts[2]))


def _dmy(parts: Sequence[str]) -> date | None:
    return _day(_year(parts[2]), int(parts[1]), int(parts[0]))


def _mdy(parts: Sequence[str]) -> date | None:
    return _day(_year(parts[2]), int(parts[0]), int(parts[1]))


def _named(day: int, month: int, year: int) -> Callable[[Sequence[str]], date | None]:
    """Reads a day whose month has a name, from these places of a match; day -1 is the first."""

    def read(parts: Sequence[str]) -> date | None:
        number = _MONTHS.get(parts[month].lower())
        if number is None:
            return None
        return _day(_year(parts[year]), number, int(parts[day]) if day >= 0 else 1)

    return read


def _week(parts: Sequence[str]) -> date | None:
    try:
        return date.fromisocalendar(int(parts[0]), int(parts[1]), int(parts[2] or 1))
    except ValueError:
        return None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _year(text: str) -> int:
    year = int(text)
    return year if len(text) > 2 else year + (1900 if year >= _CENTURY else 2000)


def _way(name: str, pattern: str, read: Callable[[Sequence[str]], date | None]) -> _Way:
    return _Way(name, re.compile(pattern, re.IGNORECASE | re.ASCII), read)


_WAYS = (
    _way("year-month-day", r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", _ymd),
    _way("day-first", r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})", _dmy),
    _way("month-first", r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})", _mdy),
    _way(
        "day month-name year", r"(\d{1,2})[-/ .]([a-z]{3,9})[-/ .,]+(\d{4}|\d{2})", _named(0, 1, 2)
    ),
    _way(
        "month-name day year",
        r"([a-z]{3,9})[ -](\d{1,2})(?:st|nd|rd|th)?,?[ -](\d{4})",
        _named(1, 0, 2),
    ),
    _way("month-name year", r"([a-z]{3,9})[-/ ](\d{4}|\d{2})", _named(-1, 0, 1)),
    _way("year month-name", r"(\d{4})[-/ ]([a-z]{3,9})", _named(-1, 1, 0)),
    _way("year-month", r"(\d{4})[-/M](\d{1,2})", lambda p: _day(int(p[0]), int(p[1]), 1)),
    _way("quarter", r"(\d{4})[- ]?Q([1-4])", lambda p: _day(int(p[0]), 3 * int(p[1]) - 2, 1)),
    _way("quarter", r"Q([1-4])[- /](\d{4})", lambda p: _day(int(p[1]), 3 * int(p[0]) - 2, 1)),
    _way("week", r"(\d{4})-?W(\d{1,2})(?:-?([1-7]))?", _week),
)
ORDERS = ("day-first", "month-first")
ORDINARY = "year-month-day"


class UnclearDatesError(ValueError):
    """Dates of a column can be read in two ways."""


@dataclass(frozen=True)
class DateFormat:
    """How dates of a column are written.

    Attributes:
        name: Such as ``day-first``, ``compact`` or ``seconds since 1970``.
    """

    name: str

    def seconds(self, text: str) -> float | None:
        """A date as seconds since 1970, in UTC where it has a zone; None for something else."""
        return _seconds(self.name, text.strip())


def date_format(cells: Iterable[str], order: Order | None = None) -> DateFormat | None:
    """How the dates of a column are written; None where fewer than half of its cells are dates.

    Args:
        cells: Some cells, none of them missing. One that is not written like the others is a
            fault, which is told when it is read.
        order: What comes first in ``03/04/2022``, where a person said it.

    Raises:
        UnclearDatesError: Where all days are at most 12, so that day and month may be either.
    """
    found = list(dict.fromkeys(cell.strip() for cell in cells))
    if not found:
        return None
    fitting = list(dict.fromkeys(way.name for way in _WAYS))
    for cell in found:
        fitting = [name for name in fitting if _seconds(name, cell) is not None]
        if not fitting:
            fitting = _mostly(found)
            break
    both = [name for name in fitting if name in ORDERS]
    if len(both) == 2 and order is None:
        raise UnclearDatesError(
            f"'{found[0]}' may have the day or the month first, and no value tells; say which "
            "with --dates day-first or --dates month-first"
        )
    if both and order is not None:
        return DateFormat(order) if order in both else None
    return DateFormat(fitting[0]) if fitting else None


def _mostly(cells: Sequence[str]) -> list[str]:
    """The ways that fit most of the first cells, if that is half of them."""
    some = cells[:_TRIED]
    counts = {way.name: 0 for way in _WAYS}
    for name in counts:
        counts[name] = sum(_seconds(name, cell) is not None for cell in some)
    most = max(counts.values())
    return [name for name in counts if counts[name] == most and 2 * most >= len(some)]


def compact_format(cells: Iterable[str]) -> DateFormat | None:
    """How dates are written that are whole numbers: by their digits, or as seconds since 1970.

    Only for a column that is one of times by its name: any number may look like one.
    """
    found = list(dict.fromkeys(cell.strip() for cell in cells))
    if not found or not all(cell.isdecimal() for cell in found):
        return None
    return next(
        (
            DateFormat(name)
            for name in (*_COMPACT, *_EPOCHS)
            if all(_seconds(name, cell) is not None for cell in found)
        ),
        None,
    )


_COMPACT = {
    "compact day": (8, "%Y%m%d"),
    "compact month": (6, "%Y%m"),
    "compact hour": (10, "%Y%m%d%H"),
    "compact minute": (12, "%Y%m%d%H%M"),
    "compact second": (14, "%Y%m%d%H%M%S"),
}
_EPOCHS = {
    "seconds since 1970": 1,
    "milliseconds since 1970": 10**3,
    "microseconds since 1970": 10**6,
    "nanoseconds since 1970": 10**9,
}
_FIRST, _LAST = 315_532_800, 4_102_444_800  # 1980 to 2100: other numbers are no such times
_YEARS = range(1700, 2200)


@lru_cache(maxsize=1 << 17)  # many series have the same dates
def _seconds(name: str, text: str) -> float | None:
    if name in _COMPACT:
        return _compact(text, *_COMPACT[name])
    if name in _EPOCHS:
        if not text.isdecimal():
            return None
        unit = _EPOCHS[name]
        whole = int(text)
        return whole / unit if _FIRST * unit <= whole < _LAST * unit else None
    for way in _WAYS:
        match = way.pattern.match(text) if way.name == name else None
        if match is None:
            continue
        clock = _clock(text[match.end() :])
        day = way.read(match.groups()) if clock is not None else None
        if day is not None and clock is not None:
            start = datetime(day.year, day.month, day.day, tzinfo=UTC)
            return start.timestamp() + clock
    return None


def _compact(text: str, digits: int, form: str) -> float | None:
    if len(text) != digits or not text.isdecimal() or int(text[:4]) not in _YEARS:
        return None
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _clock(text: str) -> float | None:
    """Seconds of the day behind a date, less the offset of its zone; None for something else."""
    match = _CLOCK.fullmatch(text)
    if match is None or (match["hour"] is None and re.search(r"\d", match["zone"])):
        return None
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    if match["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match["half"].lower() == "p" else 0)
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second)):
        return None
    fraction = float(f"0.{match['fraction']}") if match["fraction"] else 0.0
    return 3600 * hour + 60 * minute + second + fraction - _offset(match["zone"] or "")


def _offset(zone: str) -> float:
    found = re.search(r"([+-])(\d{2}):?(\d{2})?", zone)
    if found is None:
        return 0.0
    seconds = 3600 * int(found[2]) + 60 * int(found[3] or 0)
    return float(-seconds if found[1] == "-" else seconds)
