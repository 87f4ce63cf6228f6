"""Which calendar series follow, by the evidence of their times."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from engram.data.arrays.spool import Passing, stretches
from engram.data.panels.calendars.calendar import DAY, UNEVEN, Calendar, days_of
from engram.data.panels.calendars.even import Even
from engram.data.panels.calendars.months import (
    Months,
    first_of,
    first_working,
    last_working,
    lengths_of,
    months_of,
)
from engram.data.panels.calendars.weekly import Weekly
from engram.errors import DataError

_SHORTEST_MONTH = 27 * DAY  # from a last working day to the next
_ANCHORED = 0.8  # of all times stand on a day of the month that is its rule; holidays move some
_MOSTLY = 0.5  # of the days of a week, or the times of a day, are there where they are the rule
_HARDLY = 0.05  # and where they are not
_SLOTS = 1440  # times of a day, at most
_LEAST_DAYS = 3  # from which times of a day are told
_LEAST_FREE = 3  # days without steps from which they are a rule; one weekend is enough


def find_calendar(times: np.ndarray, offsets: np.ndarray, *, dates: bool) -> Calendar:
    """The calendar that most series follow: steps of one length, unless another fits better.

    Args:
        times: Of all series, each in its order, ``(N,)`` float64; dates are seconds since 1970.
        offsets: Series i is ``times[offsets[i]:offsets[i + 1]]``, ``(n + 1,)``.
        dates: Whether times are dates.
    """
    step = _median_step(times, offsets)
    if not dates:
        return Even("number", step or 1.0)
    even = Even("second", round(step, 6) or 1.0)  # of a microsecond, as dates have no more
    if step >= _SHORTEST_MONTH:
        return _months(times, offsets, even) or even
    weekly = _weekly(times, offsets)
    if weekly is None:
        return even
    gain = _uneven(even, times, offsets) - 2 * _uneven(weekly, times, offsets)
    return weekly if (gain > 0).sum() > (gain < 0).sum() else even


def calendar_from_plain(value: Any) -> Calendar:
    """Undo `Calendar.plain`; what older models stored is read too.

    Raises:
        DataError: For anything else.
    """
    try:
        match value["unit"]:
            case "month":
                day = value.get("day", 31 if value.get("ends") else 1)
                made: Calendar = Months(int(value["count"]), value.get("anchor", "day"), int(day))
            case "week":
                made = Weekly(tuple(map(int, value["days"])), tuple(map(float, value["slots"])))
            case "second" | "number":
                made = Even(value["unit"], float(value["count"]))
            case _:
                made = Even("number", -1.0)
    except (KeyError, TypeError, ValueError, AttributeError):
        made = Even("number", -1.0)
    if not _is_sound(made):
        raise DataError("the calendar is damaged; restore the model folder")
    return made


def _is_sound(calendar: Calendar) -> bool:
    if isinstance(calendar, Even):
        return calendar.count > 0
    if isinstance(calendar, Months):
        known = calendar.anchor in ("day", "first", "last") and 1 <= calendar.day <= 31
        return known and calendar.count > 0
    assert isinstance(calendar, Weekly)
    days, slots = calendar.days, calendar.slots
    in_order = all(a < b for a, b in [*pairwise(days), *pairwise(slots)])
    return bool(days and slots) and in_order and days[0] >= 0 and days[-1] < 7


def _months(times: np.ndarray, offsets: np.ndarray, even: Even) -> Months | None:
    """Months, where one day of them is the rule, or else where they fit better than seconds."""
    count = round(_median_step(_as_months(times), offsets))
    if count < 1:
        return None
    on_day, at_end, working, total = np.zeros(32), np.zeros(32), np.zeros(2), 0
    for part in stretches(len(times)):
        days = days_of(times[part])
        months = months_of(days)
        day, length = days - first_of(months) + 1, lengths_of(months)
        on_day += np.bincount(day, minlength=32)
        at_end += np.bincount(length[day == length], minlength=32)
        working += [(days == last_working(months)).sum(), (days == first_working(months)).sum()]
        total += len(days)
    # the 31st is the end of shorter months too
    on_day[1:] += [at_end[:day].sum() for day in range(1, 32)]
    found = max([31, *range(1, 31)], key=lambda day: on_day[day])
    calendar = Months(count, "day", found)
    share = on_day[found]
    if working.max() > share:
        share, calendar = (
            working.max(),
            Months(count, "first" if working[1] > working[0] else "last"),
        )
    if share >= _ANCHORED * total:
        return calendar
    free = Months(count, "day", found)
    gain = _uneven(even, times, offsets) - _uneven(free, times, offsets)
    return free if (gain > 0).sum() > (gain < 0).sum() else None


def _as_months(times: np.ndarray) -> np.ndarray:
    made = np.empty(len(times))
    for part in stretches(len(times)):
        made[part] = months_of(days_of(times[part]))
    return made


def _weekly(times: np.ndarray, offsets: np.ndarray) -> Weekly | None:
    """Days of the week and times of the day, where some are the rule and others are hardly there;
    None where that is every day, or one a week."""
    slots = _slots(times, offsets)
    if slots is None:
        return None
    days = _days_of_week(times, offsets, slots[0])
    single = len(slots) == 1 and len(days) in (1, 7)
    if not days or single:
        return None
    return Weekly(days, slots)


def _slots(times: np.ndarray, offsets: np.ndarray) -> tuple[float, ...] | None:
    """The times of a day at which there are steps on most days, in seconds after its midnight."""
    counts = np.zeros(int(DAY), dtype=np.int64)
    days = 0
    for part in stretches(len(times)):
        whole = np.floor(times[part])
        if (whole != times[part]).any():
            return None
        counts += np.bincount((whole % DAY).astype(np.int64), minlength=len(counts))
        days += int(_new_days(times, offsets, part).sum())
    often = np.flatnonzero(counts >= _MOSTLY * days)
    if not 1 <= len(often) <= _SLOTS or counts[often].sum() < (1 - _HARDLY) * len(times):
        return None
    if len(often) == 1:
        return (float(often[0]),)
    if days < _LEAST_DAYS:
        return None
    gaps = np.diff(often, prepend=often[-1] - int(DAY))
    over_midnight = gaps[0] <= gaps[1:].min()
    # a session that goes on after midnight begins after the longest time without steps
    opening = int(gaps.argmax()) if over_midnight else 0
    laid = np.concatenate([often[opening:], often[:opening] + int(DAY)])
    return tuple(map(float, laid))


def _days_of_week(times: np.ndarray, offsets: np.ndarray, opening: float) -> tuple[int, ...]:
    """The days of the week that most series have, where they hardly have the others."""
    series = len(offsets) - 1
    there = np.zeros((series, 7), dtype=np.int64)
    for part in stretches(len(times)):
        new = _new_days(times, offsets, part, opening)
        days = days_of(times[part] - opening)[new]
        code = np.searchsorted(offsets, part.start + np.flatnonzero(new), side="right") - 1
        low = int(code[0]) if len(code) else 0
        flat = np.bincount((code - low) * 7 + (days + 3) % 7)
        flat = np.pad(flat, (0, -len(flat) % 7)).reshape(-1, 7)
        there[low : low + len(flat)] += flat
    first, last = (days_of(times[at] - opening) for at in (offsets[:-1], offsets[1:] - 1))
    weekday = np.arange(7)
    due = (last[:, None] - weekday + 3) // 7 - (first[:, None] - 1 - weekday + 3) // 7
    shares = np.full(7, np.nan)
    for day in weekday:
        known = due[:, day] > 0
        if known.any():
            shares[day] = np.median(there[known, day] / due[known, day])
    often = np.flatnonzero(~(shares < _MOSTLY))  # a day that was never due may be one
    free = np.flatnonzero(shares <= _HARDLY)
    if len(often) + len(free) < 7:
        return ()
    weekend = free.tolist() == [5, 6]
    if len(free) and due[:, free].sum() < (2 if weekend else _LEAST_FREE):
        return tuple(range(7))
    return tuple(map(int, often))


def _new_days(
    times: np.ndarray, offsets: np.ndarray, part: slice, opening: float = 0.0
) -> np.ndarray:
    """Whether each time of a stretch is the first of its day in its series, bool."""
    start = max(0, part.start - 1)
    days = days_of(times[start : part.stop] - opening)
    new = np.diff(days, prepend=days[0] - 1)[part.start - start :] != 0
    begins = offsets[(offsets >= part.start) & (offsets < part.start + len(new))]
    new[begins - part.start] = True
    return new


def _uneven(calendar: Calendar, times: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """How many steps of each series are not one of the calendar, ``(n,)`` int64."""
    counts = np.zeros(len(offsets) - 1, dtype=np.int64)
    for part in stretches(len(times)):
        start = max(0, part.start - 1)
        off = np.abs(np.diff(calendar.positions(times[start : part.stop])) - 1) > UNEVEN
        seams = offsets[(offsets > start) & (offsets <= start + len(off))] - start - 1
        off[seams] = False
        code = np.searchsorted(offsets, start + np.flatnonzero(off), side="right") - 1
        counts += np.bincount(code, minlength=len(counts))
    return counts


def _median_step(times: np.ndarray, offsets: np.ndarray) -> float:
    """The median of the median steps of all series; 0 where none has two."""
    found = [float(np.median(np.diff(own))) for own in _each(times, offsets) if len(own) > 1]
    return float(np.median(found)) if found else 0.0


def _each(values: np.ndarray, offsets: np.ndarray) -> Iterator[np.ndarray]:
    passing = Passing(values)
    for start, stop in pairwise(offsets):
        yield values[start:stop]
        passing.over(values[start:stop].nbytes)
