"""Frequency: the time from one step of a series to the next, and what goes round in it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np

from engram.data.arrays.spool import Passing
from engram.errors import DataError

UNEVEN = 0.2  # of a step: how far one may be off and count as one; months and summer time are
_SHORTEST_MONTH = 27.9 * 86_400
_NAMES = {604_800: "week", 86_400: "day", 3_600: "hour", 60: "minute", 1: "second"}
_SEASONS = {604_800: 52, 86_400: 7, 3_600: 24, 1_800: 48, 900: 96, 600: 144, 300: 288, 60: 60}
_MONTHLY_SEASONS = {1: 12, 3: 4}
# what goes round, its length in seconds, and the longest step that still sees it
_CYCLES = {"year": 86_400 * 365.2425, "week": 604_800.0, "day": 86_400.0}


@dataclass(frozen=True)
class Frequency:
    """How far apart in time the steps of series are.

    Attributes:
        unit: What ``count`` counts: months of the calendar, seconds, or a time without dates.
        count: How many a step is.
        ends: Whether months are told by their last day.
    """

    unit: Literal["month", "second", "number"] = "number"
    count: float = 1.0
    ends: bool = False

    @classmethod
    def of(cls, times: np.ndarray, offsets: np.ndarray, *, dates: bool) -> Self:
        """The step that most series have on average.

        Args:
            times: Of all series, each in its order, ``(N,)`` float64; dates are seconds since 1970.
            offsets: Series i is ``times[offsets[i]:offsets[i + 1]]``, ``(n + 1,)``.
            dates: Whether times are dates.
        """
        found = cls("second" if dates else "number", 1.0)
        step = _median_step(times, offsets)
        if dates and step >= _SHORTEST_MONTH:
            days, next_days = _day_of_month(times), _day_of_month(times + 86_400)
            ends = bool((next_days == 1).all())
            if ends or (days == days[0]).all():
                found = cls("month", 1.0, ends)
                step = _median_step(found.positions(times), offsets)
        return cls(found.unit, step or 1.0, found.ends)

    def positions(self, times: np.ndarray) -> np.ndarray:
        """Times on a scale on which steps are alike: months, seconds or numbers, float64."""
        if self.unit != "month":
            return np.asarray(times, dtype=np.float64)
        return _moments(times).astype("datetime64[M]").astype(np.float64)

    def steps(self, times: np.ndarray) -> np.ndarray:
        """How many steps each time of a series lies behind the one before it, ``(T - 1,)``."""
        return np.diff(self.positions(times)) / self.count

    def after(self, last: float, steps: int) -> np.ndarray:
        """The times of a number of steps after one, ``(steps,)`` float64."""
        forth = np.arange(1, steps + 1) * self.count
        if self.unit != "month":
            return last + forth
        moment = _moments(np.array([last]))
        month = moment.astype("datetime64[M]")
        months = month + np.round(forth).astype(np.int64)
        if self.ends:
            days = (months + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
        else:
            days = months.astype("datetime64[D]") + int(_day_of_month(np.array([last]))[0] - 1)
        within = last - moment.astype("datetime64[D]").astype("datetime64[s]").astype(np.float64)
        return days.astype("datetime64[s]").astype(np.float64) + within

    def written(self, times: np.ndarray) -> list[str]:
        """Times as people write them: a day, a day and an hour, or a number."""
        if self.unit == "number":
            return [f"{time:.10g}" for time in times]
        moments = _moments(times)
        whole = bool((moments == moments.astype("datetime64[D]")).all())
        if self.unit == "month" and whole and not self.ends and (_day_of_month(times) == 1).all():
            return [str(moment.astype("datetime64[M]")) for moment in moments]
        return [
            str(moment.astype("datetime64[D]")) if whole else str(moment).replace("T", " ")
            for moment in moments
        ]

    @property
    def name(self) -> str:
        """The step in words, such as ``1 day``."""
        if self.unit == "number":
            return f"{self.count:g}"
        known = {12: "year", 1: "month"} if self.unit == "month" else _NAMES
        size = next((size for size in known if self.count >= size and not self.count % size), 1)
        number = self.count / size
        what = known.get(size, "second")
        return f"{number:g} {what}" + ("" if number == 1 else "s")

    @property
    def season(self) -> int:
        """Steps after which people expect things to repeat; 1 where there is no custom."""
        if self.unit == "number":
            return 1
        known = _MONTHLY_SEASONS if self.unit == "month" else _SEASONS
        return known.get(round(self.count), 1)

    @property
    def cycles(self) -> list[str]:
        """What goes round in the calendar and takes several steps to: year, week, day."""
        if self.unit == "number":
            return []
        seconds = self.count * (30.4 * 86_400 if self.unit == "month" else 1.0)
        return [name for name, length in _CYCLES.items() if seconds * 2 <= length]

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        return asdict(self)

    @classmethod
    def from_plain(cls, value: Any) -> Self:
        """Undo `plain`.

        Raises:
            DataError: For anything else.
        """
        known = isinstance(value, Mapping) and value.get("unit") in ("month", "second", "number")
        if not known or not float(value.get("count", 0)) > 0:
            raise DataError("the frequency is damaged; restore the model folder")
        return cls(value["unit"], float(value["count"]), bool(value.get("ends")))


def phases(times: np.ndarray, cycles: list[str]) -> np.ndarray:
    """Where times stand in cycles of the calendar, as sine and cosine.

    Args:
        times: Seconds since 1970, any shape.
        cycles: Names as `Frequency.cycles` has them.

    Returns:
        The shape of times and ``2 · cycles``, float32.
    """
    shares = [(times / _CYCLES[name]) % 1.0 for name in cycles]
    turns = [2 * np.pi * share.astype(np.float32) for share in shares]
    waves = [wave(turn) for turn in turns for wave in (np.sin, np.cos)]
    if not waves:
        return np.empty((*times.shape, 0), dtype=np.float32)
    return np.stack(waves, axis=-1)


def _median_step(times: np.ndarray, offsets: np.ndarray) -> float:
    """The median of the median steps of all series; 0 where none has two."""
    found = [float(np.median(np.diff(own))) for own in _each(times, offsets) if len(own) > 1]
    return float(np.median(found)) if found else 0.0


def _each(values: np.ndarray, offsets: np.ndarray) -> Iterator[np.ndarray]:
    passing = Passing(values)
    for start, stop in pairwise(offsets):
        yield values[start:stop]
        passing.over(values[start:stop].nbytes)


def _moments(times: np.ndarray) -> np.ndarray:
    return np.round(times).astype(np.int64).astype("datetime64[s]")


def _day_of_month(times: np.ndarray) -> np.ndarray:
    moments = _moments(times)
    return (moments.astype("datetime64[D]") - moments.astype("datetime64[M]")).astype(int) + 1
