"""Places: where many examples came from, without a text for each."""

from collections.abc import Sequence
from typing import overload

import numpy as np

from engram.data.arrays.spool import put_away


class Places(Sequence[str]):
    """Names such as ``reviews.csv row 3``, made when they are asked for.

    Args:
        sources: What stands before the numbers, such as ``reviews.csv row``.
        source: Which of them each example has, ``(n,)`` int32.
        number: Its number there, ``(n,)`` int64.
    """

    def __init__(self, sources: Sequence[str], source: np.ndarray, number: np.ndarray) -> None:
        self.sources = tuple(sources)
        self.source, self.number = put_away(source), put_away(number)

    @classmethod
    def rows(cls, source: str, count: int) -> "Places":
        """Places numbered from 1."""
        number = np.arange(1, count + 1, dtype=np.int64)
        return cls([source], np.zeros(count, dtype=np.int32), number)

    def __len__(self) -> int:
        return len(self.number)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Places": ...
    def __getitem__(self, index: int | slice) -> "str | Places":
        if isinstance(index, slice):
            return Places(self.sources, self.source[index], self.number[index])
        return f"{self.sources[self.source[index]]} {self.number[index]}"

    def take(self, indices: np.ndarray) -> "Places":
        """Those places, in that order."""
        return Places(self.sources, self.source[indices], self.number[indices])


def joined(parts: Sequence[Sequence[str]]) -> Sequence[str]:
    """Names of several readings, one after the other."""
    if not all(isinstance(part, Places) for part in parts):
        return [name for part in parts for name in part]
    places = [part for part in parts if isinstance(part, Places)]
    sources = [source for part in places for source in part.sources]
    before = np.cumsum([0, *(len(part.sources) for part in places)])
    shifted = [part.source + start for part, start in zip(places, before, strict=False)]
    number = np.concatenate([part.number for part in places])
    return Places(sources, np.concatenate(shifted).astype(np.int32), number)
