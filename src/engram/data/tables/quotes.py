"""Quotes: a check that those of a CSV file open and close cells, wherever they are in it.

Arrow reads on where a cell goes on after its closing quote, and joins rows between two quotes that
do not belong together, without a word.
"""

import io
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

_QUOTE = 34


class QuoteChecked(io.RawIOBase):
    """Reads a file, and looks at each quote that passes.

    A quote that opens a cell follows a separator or the end of a line, and one that closes it
    comes before one. Where that does not hold somewhere, as for quotes within a cell that has none
    around it, a slower judge decides, once.

    Args:
        file: Its bytes, in an encoding whose plain letters are those of ASCII.
        separator: Between cells.
        judge: Looks at all of the file, and raises for quotes that do not fit.
    """

    def __init__(self, file: BinaryIO, separator: str, judge: Callable[[], None]) -> None:
        self._file = file
        self._judge = judge
        self._around = np.zeros(256, dtype=bool)
        self._around[list(f'{separator}\r\n"'.encode())] = True
        self._last = b"\n"  # the byte before those that come next
        self._opens = True  # whether the next quote opens a cell
        self._judged = False

    def readable(self) -> bool:
        """As `io.RawIOBase` has it."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Some bytes, looked at."""
        found = self._file.read(size)
        if not self._judged and not self._fits(found):
            self._judge()
            self._judged = True
        return found

    def readinto(self, buffer: Any) -> int:
        """As `io.RawIOBase` has it."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _fits(self, found: bytes) -> bool:
        """Whether the quotes of a part of the file open and close cells."""
        if not found:  # the end of the file
            return self._opens
        if _QUOTE not in found and self._last != b'"':
            self._last = found[-1:]
            return True
        signs = np.frombuffer(self._last + found, dtype=np.uint8)
        self._last = found[-1:]
        places = np.flatnonzero(signs[:-1] == _QUOTE)  # the last one waits for what comes after it
        if signs[0] != _QUOTE and signs[-1] != _QUOTE and not len(places):
            return True
        opening = np.arange(len(places)) % 2 == (0 if self._opens else 1)
        self._opens ^= bool(len(places) % 2)
        before = self._around[signs[places - 1]] | (places == 0)
        after = self._around[signs[places + 1]]
        return bool((before[opening]).all() and after[~opening].all())
