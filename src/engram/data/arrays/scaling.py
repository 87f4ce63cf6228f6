"""Scaling: each column to mean 0 and deviation 1, as learnt on the training part."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from engram.data.arrays.spool import let_go
from engram.errors import DataError

_STRETCH = 1_000_000


@dataclass(frozen=True)
class Scaling:
    """A shift and a factor for each column.

    Attributes:
        mean: ``(F,)`` float64.
        deviation: ``(F,)`` float64, above 0.
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def learnt(cls, values: np.ndarray) -> Self:
        """Mean and deviation of each column, of what is there; one that never varies is shifted.

        Args:
            values: ``(N, F)``; NaN is missing.
        """
        count = np.maximum(_summed(values, lambda x: ~np.isnan(x)), 1.0)
        mean = _summed(values, np.nan_to_num) / count
        variance = _summed(values, lambda x: np.nan_to_num(x - mean) ** 2) / count
        deviation = np.sqrt(variance)
        varies = deviation > 1e-7 * np.abs(mean)  # else float32 tells its values hardly apart
        return cls(mean, np.where(varies, deviation, 1.0))

    @classmethod
    def none(cls, columns: int) -> Self:
        """Leaves values as they are."""
        return cls(np.zeros(columns), np.ones(columns))

    def apply(self, values: np.ndarray) -> np.ndarray:
        """``(…, F)`` values, scaled, float32."""
        return ((values - self.mean) / self.deviation).astype(np.float32)

    def undo(self, values: np.ndarray) -> np.ndarray:
        """``(…, F)`` scaled values as they were, float64."""
        return np.asarray(values, dtype=np.float64) * self.deviation + self.mean

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_plain(cls, value: Any) -> Self:
        """Undo `plain`.

        Raises:
            DataError: For anything else.
        """
        try:
            mean = np.asarray(value["mean"], dtype=np.float64)
            deviation = np.asarray(value["deviation"], dtype=np.float64)
        except (KeyError, TypeError, ValueError):
            raise DataError("the scaling is damaged; restore the model folder") from None
        if mean.ndim != 1 or mean.shape != deviation.shape or not (deviation > 0).all():
            raise DataError("the scaling is damaged; restore the model folder")
        return cls(mean, deviation)


def _summed(values: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The sum over rows of a function of each value, in stretches: a file may lie behind them."""
    total = np.zeros(values.shape[1])
    for start in range(0, len(values), _STRETCH):
        total += function(values[start : start + _STRETCH].astype(np.float64)).sum(0)
        let_go(values)
    return total
