"""Series: read the arrays and lists of arrays that scikit-learn users pass into one type."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engram.errors import DataError
from engram.estimators.inputs import arrays as arrays_of
from engram.estimators.inputs import in_order, numbers
from engram.estimators.sequence_estimator import answers_of

TARGETS = ("steps", "sequence", "class")
LABELS = "a class for each series, (N,)"
_NUMBERS = "numbers for each series, (N,) or (N, O)"
_TAKES = "(T, I) for one series, (N, T, I) for many, or a list of (T, I)"


@dataclass(frozen=True)
class Series:
    """A list of series, and the form in which they were given.

    Attributes:
        arrays: ``(T, K)`` each, float64.
        kind: How they were given: ``"one"`` array of one series, ``"array"`` of many, or a
            ``"list"``.
        flat: Whether steps were single numbers, without an axis of their own.
    """

    arrays: list[np.ndarray]
    kind: str
    flat: bool

    def like(self, arrays: list[np.ndarray], flat: bool) -> Any:
        """Return results, one array ``(T, O)`` per series, in the form of the input series."""
        if flat:
            arrays = [array[:, 0] for array in arrays]
        if self.kind == "one":
            return arrays[0]
        return np.stack(arrays) if self.kind == "array" else arrays


def as_series(values: Any, name: str) -> Series:
    """Read series.

    Args:
        values: ``(N, T, K)``; or ``(T, K)`` or ``(T,)`` for one series; or a list of the latter.
        name: Their name in messages.

    Raises:
        DataError: For anything else, empty series, and NaN or infinite numbers.
    """
    made = arrays_of(values, name, _TAKES)
    if made is not None:
        arrays = [_without_gaps(each, f"{name}[{place}]") for place, each in enumerate(made)]
        if len({array.ndim for array in arrays}) > 1 or arrays[0].ndim > 2:
            shapes = ", ".join(str(array.shape) for array in arrays[:3])
            raise DataError(f"{name} contains arrays of shapes {shapes}; a list takes (T, I) each")
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
        raise DataError(f"{name} contains no series")
    for place, array in enumerate(arrays):
        if 0 in array.shape:
            raise DataError(f"{name}[{place}] has shape {array.shape}; leave empty series out")
        if array.shape[1] != arrays[0].shape[1]:
            raise DataError(
                f"{name}[{place}] has {array.shape[1]} columns and {name}[0] has "
                f"{arrays[0].shape[1]}; all series need the same number"
            )
    return Series(arrays, kind, flat)


def targets_of(
    target: str, series: Series, y: Any, classes: np.ndarray | None = None
) -> tuple[list[np.ndarray], bool]:
    """Read the targets of each series, ``(T_i, O)`` or ``(1, O)``, and whether axis O was absent.

    Args:
        target: Type of target, one of `TARGETS`.
        series: The series they belong to.
        y: The given targets.
        classes: All classes, for class targets.

    Raises:
        DataError: For targets of another type, or a different number of them.
    """
    flat = False
    if target == "steps":
        # one number per step for an array of series: no axis O
        flat = series.kind == "array" and np.ndim(in_order(y, "y", "series")) == 2
        given = as_series(numbers(y, "y", "(N, T)")[..., None] if flat else y, "y")
        lengths = [[len(array) for array in each.arrays] for each in (given, series)]
        if lengths[0] != lengths[1]:
            raise DataError(
                f"y has {_shortened(lengths[0])} steps and X {_shortened(lengths[1])}; "
                "target='steps' takes a target for each step of each series"
            )
        targets, flat = given.arrays, flat or given.flat
    elif target == "class":
        assert classes is not None
        labels = answers_of(y, "y", LABELS)
        unknown = sorted(set(labels.tolist()) - set(classes.tolist()))
        if unknown:
            raise DataError(f"y contains the class {unknown[0]!r}, which is not in classes")
        targets = list((labels[:, None] == classes).astype(np.float64)[:, None])
    else:
        values = numbers(y, "y", _NUMBERS)
        if values.ndim not in (1, 2) or np.isnan(values).any():
            raise DataError(f"y has shape {values.shape} or contains NaN; it takes {_NUMBERS}")
        flat = values.ndim == 1
        targets = list(values.reshape(len(values), 1, -1))
    if len(targets) != len(series.arrays):
        raise DataError(f"y has {len(targets)} targets for {len(series.arrays)} series")
    return targets, flat


def _shortened(lengths: list[int]) -> str:
    shown = ", ".join(str(length) for length in lengths[:3])
    return f"{shown}, …" if len(lengths) > 3 else shown


def _without_gaps(array: np.ndarray, name: str) -> np.ndarray:
    gaps = np.argwhere(np.isnan(array))
    if len(gaps):
        place = tuple(int(axis) for axis in gaps[0])
        raise DataError(
            f"{name}{list(place)} is nan; fill in missing values, or split the series there"
        )
    return array
