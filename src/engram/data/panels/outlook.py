"""Outlook: what a forecaster learnt of its series in addition to weights, and how they become
numbers.

A value x becomes z = (f(x) - mean) / deviation, with f a transform and mean and deviation those of
the series' training part. What the model answers for step t + h is (z_{t+h} - r_{t,h}) / spread:
how far the value is from a reference r that needs no model, such as the last value, in units of how
far it usually is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from engram.data.arrays.scaling import Scaling
from engram.data.panels.calendars.calendar import Calendar
from engram.data.panels.calendars.finding import calendar_from_plain
from engram.data.panels.panel import Panel
from engram.data.settings import OutlookSettings, Transform
from engram.errors import DataError


@dataclass(frozen=True)
class Outlook:
    """How series become numbers, and answers values.

    Attributes:
        settings: As they were given.
        columns: The target, columns known up to now, and columns known ahead.
        past: How many are known up to now.
        calendar: When steps are.
        season: Steps after which things repeat.
        scales: Mean and deviation of each training series, transformed, by its name.
        spread: How far values are from their reference; in scaled units.
        covariates: Scaling of the columns other than the target.
        roles: How tables were read, and what their columns were for, as settings.
    """

    settings: OutlookSettings
    columns: tuple[str, ...]
    past: int
    calendar: Calendar
    season: int
    scales: Mapping[str, tuple[float, float]]
    spread: float
    covariates: Scaling
    roles: Mapping[str, Any]

    @property
    def cycles(self) -> list[str]:
        """Cycles of the calendar that the model sees."""
        return self.calendar.cycles if self.settings.calendar else []

    @property
    def known(self) -> int:
        """K, numbers of a step that are known ahead."""
        return len(self.columns) - 1 - self.past + 2 * len(self.cycles)

    @property
    def inputs(self) -> int:
        """I, numbers of a step."""
        return 2 + (self.settings.missing == "mask") + self.past + self.known

    def scales_of(self, panel: Panel, steps: np.ndarray | None = None) -> np.ndarray:
        """Mean and deviation of each series, ``(n, 2)`` float64.

        Args:
            panel: The series; those that the training part did not have are scaled by themselves.
            steps: How many steps of such a series are looked at, ``(n,)``; None for all.
        """
        found = np.empty((len(panel), 2))
        for index, key in zip(panel.indices(), panel.keys, strict=True):
            if key in self.scales:
                found[index] = self.scales[key]
            else:
                own = panel.target(index)[: None if steps is None else max(1, int(steps[index]))]
                found[index] = scale_of(transformed(own, self.settings.transform, key))
        return found

    def undo(self, scaled: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Values of scaled ones, float64.

        Args:
            scaled: Any shape.
            scale: Mean and deviation, ``(2,)``.
        """
        values = np.asarray(scaled, dtype=np.float64) * scale[1] + scale[0]
        if self.settings.transform == "log":
            return np.exp(values)
        return np.maximum(values, 0.0) ** 2 if self.settings.transform == "sqrt" else values

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        return {
            "settings": self.settings.plain(),
            "columns": list(self.columns),
            "past": self.past,
            "calendar": self.calendar.plain(),
            "season": self.season,
            "scales": {key: list(scale) for key, scale in self.scales.items()},
            "spread": self.spread,
            "covariates": self.covariates.plain(),
            "roles": dict(self.roles),
        }

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> Self:
        """Undo `plain`.

        Raises:
            DataError: For anything else.
        """
        try:
            return cls(
                OutlookSettings.checked(value["settings"]),
                tuple(value["columns"]),
                int(value["past"]),
                calendar_from_plain(value["calendar" if "calendar" in value else "frequency"]),
                int(value["season"]),
                {key: (float(mean), float(dev)) for key, (mean, dev) in value["scales"].items()},
                float(value["spread"]),
                Scaling.from_plain(value["covariates"]),
                dict(value["roles"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise DataError(
                "the stored facts about series are damaged; restore the model folder"
            ) from None


def learn_outlook(panel: Panel, settings: OutlookSettings, roles: Mapping[str, Any]) -> Outlook:
    """Learn scales on the training part.

    Args:
        panel: The series of the training part.
        settings: How they become numbers.
        roles: See `Outlook`.

    Raises:
        DataError: For values that the transform does not take.
    """
    season = settings.season or panel.calendar.season
    scales = {}
    squares, count = 0.0, 0
    for index, key in zip(panel.indices(), panel.keys, strict=True):
        own = transformed(panel.target(index), settings.transform, key)
        scales[key] = scale_of(own)
        scaled = (own - scales[key][0]) / scales[key][1]
        moves = _moves(scaled, settings, season)
        squares, count = squares + float((moves**2).sum()), count + len(moves)
    spread = (squares / max(1, count)) ** 0.5
    return Outlook(
        settings,
        panel.sequences.columns,
        panel.past,
        panel.calendar,
        season,
        scales,
        spread if spread > 1e-6 else 1.0,
        Scaling.learnt(panel.sequences.values[:, 1:]),
        dict(roles),
    )


def transformed(values: np.ndarray, transform: Transform, key: str) -> np.ndarray:
    """The transform of values, float64; NaN stays.

    Raises:
        DataError: For values that it does not take.
    """
    given = np.asarray(values, dtype=np.float64)
    if transform == "none":
        return given
    bad = given <= 0 if transform == "log" else given < 0
    if bad.any():
        what = "above 0" if transform == "log" else "0 or more"
        raise DataError(
            f"series '{key}' has the value {given[bad][0]:g}, but --transform {transform} needs "
            f"values {what}; choose another transform"
        )
    return np.log(given) if transform == "log" else np.sqrt(given)


def scale_of(values: np.ndarray) -> tuple[float, float]:
    """Mean and deviation of what is there; a series that never varies has deviation 1."""
    there = values[~np.isnan(values)]
    if not len(there):
        return 0.0, 1.0
    mean, deviation = float(there.mean()), float(there.std())
    return mean, deviation if deviation > 1e-7 * abs(mean) else 1.0


def _moves(scaled: np.ndarray, settings: OutlookSettings, season: int) -> np.ndarray:
    """How far values are from their reference, over the whole horizon, as a sample."""
    if settings.reference == "zero":
        found = scaled
    else:
        step = season if settings.reference == "season" else max(1, settings.horizon // 2)
        found = scaled[step:] - scaled[:-step]
    return found[~np.isnan(found)]
