"""Calendar: when the steps of series are, which one comes next, and what repeats."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

UNEVEN = 0.2  # of a step: how far one may be off and count as one; months and summer time are
DAY = 86_400.0
CYCLES = {"year": DAY * 365.2425, "week": 7 * DAY, "day": DAY}  # their lengths in seconds


class Calendar(ABC):
    """When the steps of series are; training, backtest and prediction share one.

    Times are seconds since 1970 where they are dates, and plain numbers where they are not.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """One step in words, such as ``working day``; there is "one per" each."""

    @property
    @abstractmethod
    def season(self) -> int:
        """Steps after which people expect things to repeat; 1 where there is no custom."""

    @property
    @abstractmethod
    def cycles(self) -> list[str]:
        """What repeats and takes several steps to: year, week, day."""

    @property
    def dated(self) -> bool:
        """Whether times are dates."""
        return True

    @abstractmethod
    def positions(self, times: np.ndarray) -> np.ndarray:
        """Times on a scale on which a step is 1, any shape, float64."""

    @abstractmethod
    def after(self, last: float, steps: int) -> np.ndarray:
        """The times of a number of steps after one, ``(steps,)`` float64."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""

    def steps(self, times: np.ndarray) -> np.ndarray:
        """How many steps each time of a series lies behind the one before it, ``(T - 1,)``."""
        return np.diff(self.positions(times))

    def stray(self, times: np.ndarray) -> np.ndarray:
        """Which times are none of the calendar, such as a Sunday among working days, bool."""
        return np.zeros(np.shape(times), dtype=bool)

    def shares(self, times: np.ndarray, cycle: str) -> np.ndarray:
        """How much of a cycle has passed at each time, 0 to 1, the shape of times, float64."""
        return (times / CYCLES[cycle]) % 1.0

    def written(self, times: np.ndarray) -> list[str]:
        """Times as people write them: a day, or a day and an hour with what it has of a second."""
        micros = np.round(np.asarray(times) * 1e6).astype(np.int64)
        if not (micros % int(DAY * 1e6)).any():
            return [str(moment) for moment in micros.astype("datetime64[us]").astype("M8[D]")]
        unit = (
            "s" if not (micros % 1_000_000).any() else "ms" if not (micros % 1000).any() else "us"
        )
        moments = micros.astype("datetime64[us]").astype(f"datetime64[{unit}]")
        return [str(moment).replace("T", " ") for moment in moments]


def phases(calendar: Calendar, times: np.ndarray, cycles: Sequence[str]) -> np.ndarray:
    """Where times stand in cycles of a calendar, as sine and cosine.

    Args:
        calendar: Of the steps.
        times: Seconds since 1970, any shape.
        cycles: Some of the calendar's.

    Returns:
        The shape of times and ``2 · cycles``, float32.
    """
    turns = [2 * np.pi * calendar.shares(times, name).astype(np.float32) for name in cycles]
    waves = [wave(turn) for turn in turns for wave in (np.sin, np.cos)]
    if not waves:
        return np.empty((*times.shape, 0), dtype=np.float32)
    return np.stack(waves, axis=-1)


def days_of(times: np.ndarray) -> np.ndarray:
    """The day of each time, in days since 1970, int64."""
    return np.floor(np.asarray(times, dtype=np.float64) / DAY).astype(np.int64)
