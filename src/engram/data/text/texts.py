"""Texts: many of them in one flat array of bytes, so that none is a Python object until it is read.

A list of strings takes some 60 bytes per text in addition to its characters, and all of them in
memory; here a text takes 16, and the characters lie in a file where they are many.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self, overload

import numpy as np

from engram.data.arrays.spool import PASSED, Spool, let_go, offsets_of, put_away, taken

_PIECE = 1 << 20  # characters that are put together before they are moved on


class Texts(Sequence[str]):
    """Texts in UTF-8.

    Args:
        raw: The bytes of all, ``(N,)`` uint8; it may be mapped from a file.
        starts: Where each begins, ``(n,)`` int64.
        stops: Where each ends, ``(n,)`` int64.
    """

    def __init__(self, raw: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> None:
        self.raw, self.starts, self.stops = raw, put_away(starts), put_away(stops)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Put texts one after another; they may come from a generator, and are not kept."""
        growing = GrowingTexts()
        for text in texts:
            growing.add(text)
        return cls(*growing.parts())

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Texts": ...
    def __getitem__(self, index: int | slice) -> "str | Texts":
        if isinstance(index, slice):
            return Texts(self.raw, self.starts[index], self.stops[index])
        found = self.raw[self.starts[index] : self.stops[index]]
        return found.tobytes().decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        passed = since = 0
        for index in range(len(self)):
            start = int(self.starts[index])
            passed += int(self.stops[index]) - start
            if passed > PASSED or start - since > PASSED:
                for each in (self.raw, self.starts, self.stops):
                    let_go(each)
                passed, since = 0, start
            yield self[index]

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(
            one == two for one, two in zip(self, other, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def take(self, indices: np.ndarray) -> "Texts":
        """Those texts, in that order; their characters are shared."""
        return Texts(self.raw, taken(self.starts, indices), taken(self.stops, indices))


class GrowingTexts:
    """Texts as they are read, one at a time."""

    def __init__(self) -> None:
        self._raw, self._sizes = Spool(np.uint8), Spool(np.int64)
        self._piece: list[bytes] = []
        self._held = 0

    def add(self, text: str) -> None:
        """Put a text behind the others."""
        # half a surrogate pair, as JSON may hold, has no place in UTF-8 and must not be lost
        self._piece.append(text.encode("utf-8", "surrogatepass"))
        self._held += len(self._piece[-1])
        if self._held > _PIECE or len(self._piece) > _PIECE:
            self._move()

    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `Texts` is made of."""
        self._move()
        offsets = offsets_of(self._sizes.finish())
        return self._raw.finish(), offsets[:-1], offsets[1:]

    def finish(self) -> Texts:
        """All of them."""
        return Texts(*self.parts())

    def _move(self) -> None:
        self._raw.extend(np.frombuffer(b"".join(self._piece), dtype=np.uint8))
        self._sizes.extend(np.array([len(each) for each in self._piece], dtype=np.int64))
        self._piece, self._held = [], 0
