"""Pieces: documents cut where every tokenizer cuts too, so that a long one need not be in memory.

A cut lies between a character that is no white space and white space: there a word ends, and so
does what byte-pair encoding merges within. Pieces that are turned into tokens one by one give the
tokens of the whole.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engram.data.arrays.spool import let_go
from engram.data.text.texts import Texts

PIECE = 1 << 20  # characters from which a piece is cut off
_CUT = re.compile(r"[^\s](?=[ \n\t])")
_LOOK = 4096  # characters at the end in which a cut is looked for, first


@dataclass(frozen=True, eq=False)
class Pieces:
    """Some documents.

    Attributes:
        texts: Their pieces, none of which is empty.
        begins: Whether a piece begins a document, ``(n,)`` bool.
        edges: How many characters stand before each piece, and all of them, ``(n + 1,)`` int64.
    """

    texts: Texts
    begins: np.ndarray
    edges: np.ndarray

    @classmethod
    def of(cls, documents: Iterable[str | Iterable[str]]) -> "Pieces":
        """Cut documents; empty ones are left out.

        Args:
            documents: The text of each, or parts of it in their order; they are not kept.
        """
        begins: list[bool] = []
        edges = [0]

        def pieces() -> Iterator[str]:
            for document in documents:
                parts = [document] if isinstance(document, str) else document
                for number, piece in enumerate(_cut(parts)):
                    begins.append(number == 0)
                    edges.append(edges[-1] + len(piece))
                    yield piece

        texts = Texts.of(pieces())
        return cls(texts, np.array(begins, dtype=bool), np.array(edges, dtype=np.int64))

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Pieces):
            return NotImplemented
        return np.array_equal(self.begins, other.begins) and self.texts == other.texts

    __hash__ = None  # type: ignore[assignment]

    @property
    def characters(self) -> int:
        """How many characters all documents hold."""
        return int(self.edges[-1])

    def documents(self) -> Iterator[str]:
        """Each document as a whole."""
        starts = [*np.flatnonzero(self.begins).tolist(), len(self.texts)]
        for index, start in enumerate(starts[:-1]):
            yield "".join(self.texts[start : starts[index + 1]])

    def part(self, start: int, stop: int) -> Iterator[tuple[str, bool]]:
        """The pieces of these characters, and whether each begins a document."""
        first = int(np.searchsorted(self.edges, start, side="right")) - 1
        for index in range(first, len(self.texts)):
            before = int(self.edges[index])
            if before >= stop:
                return
            piece = self.texts[index][max(0, start - before) : stop - before]
            let_go(self.texts.raw)
            if piece:
                yield piece, bool(self.begins[index]) and before >= start

    def at_bound(self, character: int) -> bool:
        """Whether a document begins before this character, numbered from 0, or all end there."""
        if character == self.characters:
            return True
        place = int(np.searchsorted(self.edges, character))
        return bool(self.edges[place] == character and self.begins[place])


def _cut(parts: Iterable[str]) -> Iterator[str]:
    """Join parts, and cut them again."""
    held: list[str] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size < PIECE:
            continue
        whole = "".join(held)
        start = 0
        while len(whole) - start >= PIECE:
            at = _last_cut(whole, start, start + PIECE)
            if at is None:
                break
            yield whole[start:at]
            start = at
        held = [whole[start:]]
        size = len(held[0])
    rest = "".join(held)
    if rest:
        yield rest


def _last_cut(text: str, start: int, stop: int) -> int | None:
    """The last place of a cut before a stop, or the first after it; None where there is none."""
    for begin in (max(start, stop - _LOOK), start):
        places = [found.end() for found in _CUT.finditer(text, begin, stop)]
        if places:
            return places[-1]
    after = _CUT.search(text, stop - 1)
    return None if after is None else after.end()


def pieces_of(documents: Sequence[str] | Pieces) -> Pieces:
    """Documents as pieces, if they are not yet."""
    return documents if isinstance(documents, Pieces) else Pieces.of(documents)
