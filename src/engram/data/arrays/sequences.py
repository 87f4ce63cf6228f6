"""Sequences: many series of steps, of any lengths, in one flat array."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np

from engram.data.arrays.spool import STRETCH, Passing, Spool, offsets_of
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
    def of(cls, arrays: Iterable[np.ndarray], columns: Sequence[str] = ()) -> Self:
        """Lay arrays one after another; in a file, where they are large together.

        Args:
            arrays: ``(T_i, F)`` of numbers, or ``(T_i,)`` of tokens; they may come from a
                generator, and are not kept.
            columns: Names of the F values; ``value 1``, … where none are given.

        Raises:
            DataError: For no arrays, or arrays that differ in F.
        """
        rest = iter(arrays)
        first = next(rest, None)
        if first is None:
            raise DataError("there are no sequences; give at least one")
        tokens = first.ndim == 1
        values = Spool(np.int32 if tokens else np.float32, first.shape[1:])
        lengths = Spool(np.int64)
        sizes: list[int] = []  # of those that are on their way into `lengths`
        for each in chain([first], rest):
            if each.shape[1:] != first.shape[1:]:
                found = f"{first.shape} and {each.shape}"
                raise DataError(
                    f"sequences have shapes {found}; all must have the same number of "
                    "values per step"
                )
            values.extend(each)
            sizes.append(len(each))
            if len(sizes) == STRETCH:
                lengths.extend(np.array(sizes))
                sizes.clear()
        lengths.extend(np.array(sizes, dtype=np.int64))
        if not columns and not tokens:
            columns = [f"value {number + 1}" for number in range(first.shape[1])]
        return cls(values.finish(), offsets_of(lengths.finish()), tuple(columns))

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
        """F, values per step; 1 for tokens."""
        return 1 if self.values.ndim == 1 else self.values.shape[1]

    def take(self, indices: Sequence[int] | np.ndarray) -> Self:
        """Those sequences, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        values = Spool(self.values.dtype, self.values.shape[1:])
        passing = Passing(self.values)
        for index in chosen:
            part = self[int(index)]
            values.extend(part)
            passing.over(part.nbytes)
        return type(self)(values.finish(), offsets_of(self.lengths[chosen]), self.columns)
