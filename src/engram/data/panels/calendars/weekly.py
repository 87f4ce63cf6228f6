"""Steps on some days of the week, at some times of the day: working days, sessions."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from engram.data.panels.calendars.calendar import DAY, Calendar, days_of

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WORKING = (0, 1, 2, 3, 4)
_SIZES = {3600: "hour", 1800: "half-hour"}
_LISTED = 4  # times of a day that a name lists


@dataclass(frozen=True)
class Weekly(Calendar):
    """The same times of the day on the same days of each week; what lies between is no gap.

    Attributes:
        days: Of the week, Monday is 0, in their order.
        slots: Times of a day in seconds after its midnight, in their order; those of a session that
            goes on after the next midnight are over 86,400.
    """

    days: tuple[int, ...]
    slots: tuple[float, ...] = (0.0,)

    @property
    def name(self) -> str:
        """As in `Calendar`."""
        if len(self.slots) == 1:
            return "working day" if self.days == _WORKING else f"day {self._among}"
        gaps = np.diff(self.slots)
        size = float(np.median(gaps))
        if (gaps != size).any() and len(self.slots) <= _LISTED:
            return f"reading at {', '.join(map(_clock, self.slots))} {self._on}"
        bar = _SIZES.get(round(size)) or f"{size / 60:g}-minute"
        if (gaps == size).all() and size * len(self.slots) == DAY:
            return f"{bar} {self._on}"
        session = f"session {_clock(self.slots[0])} to {_clock(self.slots[-1])}"
        breaks = "" if (gaps == size).all() else f", with breaks ({len(self.slots)} a day),"
        return f"{bar} bar of a {session}{breaks} {self._on}"

    @property
    def _among(self) -> str:
        if len(self.days) > 2 and self.days[-1] - self.days[0] == len(self.days) - 1:
            return f"from {_DAYS[self.days[0]]} to {_DAYS[self.days[-1]]}"
        return f"({', '.join(_DAYS[day] for day in self.days)})"

    @property
    def _on(self) -> str:
        if len(self.days) == 7:
            return "on all days"
        return "on working days" if self.days == _WORKING else f"on days {self._among}"

    @property
    def season(self) -> int:
        """As in `Calendar`: a session, or a week of days."""
        return len(self.slots) if len(self.slots) > 1 else len(self.days)

    @property
    def cycles(self) -> list[str]:
        """As in `Calendar`; a day is a session."""
        week = ["week"] if len(self.days) * len(self.slots) > 1 else []
        return ["year", *week, *(["day"] if len(self.slots) > 1 else [])]

    def positions(self, times: np.ndarray) -> np.ndarray:
        """As in `Calendar`; other times have a share of the step that they lie in."""
        times = np.asarray(times, dtype=np.float64)
        before, is_on = self._before(times)
        found = before.astype(np.float64)
        if not is_on.all():
            last, following = self._times(before[~is_on]), self._times(before[~is_on] + 1)
            found[~is_on] += (times[~is_on] - last) / (following - last)
        return found

    def after(self, last: float, steps: int) -> np.ndarray:
        """As in `Calendar`."""
        before, _ = self._before(np.array([last]))
        return self._times(before + np.arange(1, steps + 1))

    def stray(self, times: np.ndarray) -> np.ndarray:
        """As in `Calendar`."""
        return ~self._before(np.asarray(times, dtype=np.float64))[1]

    def shares(self, times: np.ndarray, cycle: str) -> np.ndarray:
        """As in `Calendar`: of the steps of a week or a session."""
        if cycle == "year":
            return super().shares(times, cycle)
        size = len(self.slots) * (len(self.days) if cycle == "week" else 1)
        return self.positions(times) / size % 1.0

    def plain(self) -> dict[str, Any]:
        """As in `Calendar`."""
        return {"unit": "week", "days": list(self.days), "slots": list(self.slots)}

    @cached_property
    def _ranks(self) -> np.ndarray:
        """How many days of the week there are up to each, less one, ``(7,)``."""
        return np.searchsorted(self.days, np.arange(7), side="right") - 1

    def _before(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The last step that is not after each time, int64, and whether it is that time."""
        slots = np.asarray(self.slots)
        day = days_of(times - slots[0])
        slot = np.searchsorted(slots, times - day * DAY, side="right") - 1
        week, weekday = np.divmod(day + 3, 7)  # 1970-01-01 was a Thursday
        is_on = np.isin(weekday, self.days)
        slot = np.where(is_on, slot, len(slots) - 1)  # else the last one of the day before
        before = (week * len(self.days) + self._ranks[weekday]) * len(slots) + slot
        return before, is_on & (times == day * DAY + slots[slot])

    def _times(self, steps: np.ndarray) -> np.ndarray:
        """The times of steps, float64."""
        day, slot = np.divmod(steps, len(self.slots))
        week, place = np.divmod(day, len(self.days))
        return (week * 7 + np.asarray(self.days)[place] - 3) * DAY + np.asarray(self.slots)[slot]


def _clock(seconds: float) -> str:
    hour, minute = divmod(round(seconds % DAY) // 60, 60)
    return f"{hour:02}:{minute:02}"
