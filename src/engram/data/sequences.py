"""Sequences: many series of steps, of any lengths, in one flat array."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from engram.errors import DataError


@dataclass(frozen=True)
class Sequences:
    """Some sequences, one after another.

    Attributes:
        values: Steps of all sequences, ``(N, F)`` float32, or ``(N,)`` int32 for tokens; it may be
            mapped from a file.
        offsets: Sequence i is ``values[offsets[i]:offsets[i + 1]]``; ``(n + 1,)`` int64.
        columns: What the F values of a step are; empty for tokens.
    """

    values: np.ndarray
    offsets: np.ndarray
    columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, arrays: Sequence[np.ndarray], columns: Sequence[str] = ()) -> Self:
        """Lay arrays one after another.

        Args:
            arrays: ``(T_i, F)`` of numbers, or ``(T_i,)`` of tokens.
            columns: Names of the F values; ``value 1``, … where none are given.

        Raises:
            DataError: For no arrays, or arrays that differ in F.
        """
        if not arrays:
            raise DataError("there are no sequences; give at least one")
        widths = {array.shape[1:] for array in arrays}
        if len(widths) > 1:
            found = ", ".join(str(array.shape) for array in arrays[:3])
            raise DataError(f"sequences have shapes {found}, …; all take the same values a step")
        tokens = arrays[0].ndim == 1
        values = np.concatenate(arrays).astype(np.int32 if tokens else np.float32, copy=False)
        offsets = np.concatenate([[0], np.cumsum([len(array) for array in arrays])])
        if not columns and not tokens:
            columns = [f"value {number + 1}" for number in range(arrays[0].shape[1])]
        return cls(values, offsets.astype(np.int64), tuple(columns))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sequence {index} of {len(self)}")
        index %= len(self)
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each, ``(n,)`` int64."""
        return np.diff(self.offsets)

    @property
    def width(self) -> int:
        """F, values a step; 1 for tokens."""
        return 1 if self.values.ndim == 1 else self.values.shape[1]

    def take(self, indices: Sequence[int] | np.ndarray) -> Self:
        """Those sequences, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        parts = [self[int(index)] for index in chosen]
        values = np.concatenate(parts) if parts else self.values[:0]
        offsets = np.concatenate([[0], np.cumsum(self.lengths[chosen])]).astype(np.int64)
        return type(self)(values, offsets, self.columns)
