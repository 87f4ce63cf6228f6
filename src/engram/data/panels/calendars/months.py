"""Steps of months: the same day, or the last or the first or last working day of each."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from engram.data.panels.calendars.calendar import CYCLES, DAY, Calendar, days_of

_PERIODS = {1: "month", 3: "quarter", 6: "half-year", 12: "year"}
_MONTH = 30.4 * DAY


@dataclass(frozen=True)
class Months(Calendar):
    """Steps of a number of months.

    Attributes:
        count: Months of a step.
        anchor: ``"day"``: on the same day; or on the first or the last working day, where holidays
            are not known and may move it.
        day: Of the month; 31 is its end, and where a month is shorter its end is meant.
    """

    count: int = 1
    anchor: Literal["day", "first", "last"] = "day"
    day: int = 1

    @property
    def name(self) -> str:
        """As in `Calendar`."""
        period = _PERIODS.get(self.count, f"{self.count} months")
        if self.anchor == "day":
            return f"{period} end" if self.day == 31 else period
        return f"{self.anchor} working day of a {period}"

    @property
    def season(self) -> int:
        """As in `Calendar`."""
        return 1 if 12 % self.count else 12 // self.count

    @property
    def cycles(self) -> list[str]:
        """As in `Calendar`."""
        return [name for name, length in CYCLES.items() if self.count * _MONTH * 2 <= length]

    def positions(self, times: np.ndarray) -> np.ndarray:
        """As in `Calendar`."""
        return months_of(days_of(times)) / self.count

    def after(self, last: float, steps: int) -> np.ndarray:
        """As in `Calendar`."""
        own = days_of(np.array([last]))
        months = months_of(own) + np.arange(1, steps + 1) * self.count
        first, length = first_of(months), lengths_of(months)
        if self.anchor == "day":
            of_last = int((own - first_of(months_of(own)))[0]) + 1
            short = of_last == min(self.day, int(lengths_of(months_of(own))[0]))
            day = self.day if short else of_last  # a series may have a day of its own
            days = first + np.minimum(day, length) - 1
        else:
            days = first_working(months) if self.anchor == "first" else last_working(months)
        return days * DAY + (last - own[0] * DAY)

    def written(self, times: np.ndarray) -> list[str]:
        """As in `Calendar`; a month where all are the first day of one."""
        first = first_of(months_of(days_of(times))) * DAY
        if self.anchor != "day" or self.day != 1 or (first != times).any():
            return super().written(times)
        return [text[:-3] for text in super().written(times)]

    def plain(self) -> dict[str, Any]:
        """As in `Calendar`."""
        return {"unit": "month", "count": self.count, "anchor": self.anchor, "day": self.day}


def months_of(days: np.ndarray) -> np.ndarray:
    """The months of days, both counted from 1970-01, int64."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def first_of(months: np.ndarray) -> np.ndarray:
    """The first days of months, int64."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def lengths_of(months: np.ndarray) -> np.ndarray:
    """How many days months have, int64."""
    return first_of(months + 1) - first_of(months)


def first_working(months: np.ndarray) -> np.ndarray:
    """The first days of months that are not of a weekend, int64."""
    first = first_of(months)
    weekday = (first + 3) % 7
    return first + np.where(weekday > 4, 7 - weekday, 0)


def last_working(months: np.ndarray) -> np.ndarray:
    """The last days of months that are not of a weekend, int64."""
    last = first_of(months + 1) - 1
    return last - np.maximum((last + 3) % 7 - 4, 0)
