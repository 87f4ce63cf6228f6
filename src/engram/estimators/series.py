"""Series: arrays and lists of arrays, as scikit-learn people have them, as one kind of list."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engram.errors import DataError
from engram.estimators.inputs import arrays as arrays_of
from engram.estimators.inputs import numbers

_TAKES = "(T, I) for one series, (N, T, I) for many, or a list of (T, I)"


@dataclass(frozen=True)
class Series:
    """Some series.

    Attributes:
        arrays: ``(T, K)`` each, float64.
        kind: How they came: ``"one"`` array of one series, ``"array"`` of many, or a ``"list"``.
        flat: Whether steps were single numbers, without an axis of their own.
    """

    arrays: list[np.ndarray]
    kind: str
    flat: bool

    def like(self, arrays: list[np.ndarray], flat: bool) -> Any:
        """Results, one array ``(T, O)`` for each series, in the form in which the series came."""
        if flat:
            arrays = [array[:, 0] for array in arrays]
        if self.kind == "one":
            return arrays[0]
        return np.stack(arrays) if self.kind == "array" else arrays


def as_series(values: Any, name: str) -> Series:
    """Read series.

    Args:
        values: ``(N, T, K)``; or ``(T, K)`` or ``(T,)`` for one series; or a list of the latter.
        name: What they are called in a message.

    Raises:
        DataError: For anything else, empty series, and NaN or infinite numbers.
    """
    made = arrays_of(values, name, _TAKES)
    if made is not None:
        arrays = [_without_gaps(each, f"{name}[{place}]") for place, each in enumerate(made)]
        if len({array.ndim for array in arrays}) > 1 or arrays[0].ndim > 2:
            shapes = ", ".join(str(array.shape) for array in arrays[:3])
            raise DataError(f"{name} holds arrays of shapes {shapes}; a list takes (T, I) each")
        kind = "list"
    else:
        array = _without_gaps(numbers(values, name, _TAKES), name)
        if array.ndim not in (1, 2, 3):
            raise DataError(f"{name} has shape {array.shape}; it takes {_TAKES}")
        arrays = list(array) if array.ndim == 3 else [array]
        kind = "array" if array.ndim == 3 else "one"
    flat = bool(arrays) and arrays[0].ndim == 1
    if flat:
        arrays = [array[:, None] for array in arrays]
    if not arrays:
        raise DataError(f"{name} holds no series")
    for place, array in enumerate(arrays):
        if 0 in array.shape:
            raise DataError(f"{name}[{place}] has shape {array.shape}; leave empty series out")
        if array.shape[1] != arrays[0].shape[1]:
            raise DataError(
                f"{name}[{place}] has {array.shape[1]} columns and {name}[0] has "
                f"{arrays[0].shape[1]}; all series take the same"
            )
    return Series(arrays, kind, flat)


def _without_gaps(array: np.ndarray, name: str) -> np.ndarray:
    gaps = np.argwhere(np.isnan(array))
    if len(gaps):
        place = tuple(int(axis) for axis in gaps[0])
        raise DataError(f"{name}{list(place)} is nan; fill gaps in, or cut the series there")
    return array
