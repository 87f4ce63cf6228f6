"""Steps of always the same number of seconds, or of a time without dates."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from engram.data.panels.calendars.calendar import CYCLES, DAY, Calendar

_NAMES = {604_800: "week", 86_400: "day", 3_600: "hour", 60: "minute", 1: "second"}
_SEASONS = {2 * 604_800: 26, 604_800: 52, 86_400: 7, 60: 60}
_SHORTEST = 300  # seconds of a step whose season is a day


@dataclass(frozen=True)
class Even(Calendar):
    """Steps of one length.

    Attributes:
        unit: What ``count`` counts: seconds, or a time without dates.
        count: How many a step is.
    """

    unit: Literal["second", "number"] = "number"
    count: float = 1.0

    @property
    def name(self) -> str:
        """As in `Calendar`."""
        if self.unit == "number":
            return "unit" if self.count == 1 else f"{self.count:g} units"
        size = next((size for size in _NAMES if self.count >= size and not self.count % size), 1)
        number = self.count / size
        return _NAMES[size] if number == 1 else f"{number:g} {_NAMES[size]}s"

    @property
    def season(self) -> int:
        """As in `Calendar`."""
        if self.unit == "number":
            return 1
        if _SHORTEST <= self.count < DAY and not DAY % self.count:
            return round(DAY / self.count)
        return _SEASONS.get(round(self.count), 1)

    @property
    def cycles(self) -> list[str]:
        """As in `Calendar`."""
        if self.unit == "number":
            return []
        return [name for name, length in CYCLES.items() if self.count * 2 <= length]

    @property
    def dated(self) -> bool:
        """As in `Calendar`."""
        return self.unit == "second"

    def positions(self, times: np.ndarray) -> np.ndarray:
        """As in `Calendar`."""
        return np.asarray(times, dtype=np.float64) / self.count

    def after(self, last: float, steps: int) -> np.ndarray:
        """As in `Calendar`."""
        return last + np.arange(1, steps + 1) * self.count

    def written(self, times: np.ndarray) -> list[str]:
        """As in `Calendar`."""
        if self.dated:
            return super().written(times)
        whole = [time.is_integer() and abs(time) < 1e15 for time in map(float, times)]
        return [
            str(int(time)) if is_whole else f"{time:.10g}"
            for time, is_whole in zip(times, whole, strict=True)
        ]

    def plain(self) -> dict[str, Any]:
        """As in `Calendar`."""
        return {"unit": self.unit, "count": self.count}
