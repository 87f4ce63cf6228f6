"""Spool: an array that grows, in memory while it is small, and in a file without a name after that.

The file goes when the last array that reads it goes. It lies where the system keeps temporary
files; the environment variable ``TMPDIR`` moves it.
"""

import mmap
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from engram.errors import DataError
from engram.files import cannot

LARGE = 1 << 24  # bytes of an array from which it lies in a file
PASSED = 1 << 25  # bytes of such an array that are read before they are let go
STRETCH = 1 << 20  # rows that are worked on at once, where an array may be large
_PIECE = 1 << 22  # bytes that are written at once
_OBJECT = 128  # bytes of an array beyond its values


class Spool:
    """Rows that arrive piece by piece, and become one array.

    Args:
        dtype: Of the array.
        shape: Of a row; ``()`` for plain numbers.
    """

    def __init__(self, dtype: np.typing.DTypeLike, shape: tuple[int, ...] = ()) -> None:
        self._dtype, self._shape = np.dtype(dtype), shape
        self._parts: list[np.ndarray] = []
        self._held = 0
        self._rows = 0
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return self._rows

    def extend(self, rows: np.ndarray) -> None:
        """Add rows, ``(n, *shape)``.

        Raises:
            DataError: If the file cannot be written.
        """
        part = np.array(rows, dtype=self._dtype, order="C")
        self._parts.append(part)
        self._rows += len(part)
        self._held += part.nbytes + _OBJECT
        if self._held > (LARGE if self._file is None else _PIECE):
            self._spill()

    def finish(self) -> np.ndarray:
        """All rows as one array, ``(N, *shape)``; mapped from the file, where they went there.

        Raises:
            DataError: If the file cannot be written.
        """
        if self._file is None:
            return self._together()
        self._spill()
        return _mapped(self._file, self._dtype, (self._rows, *self._shape))

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as this
                weakref.finalize(self, self._file.close)
            self._file.write(self._together().data)
            self._file.flush()
        except OSError as error:
            raise DataError(cannot("write", Path(tempfile.gettempdir()), error)) from error
        self._parts, self._held = [], 0

    def _together(self) -> np.ndarray:
        empty = np.empty((0, *self._shape), dtype=self._dtype)
        return np.concatenate([empty, *self._parts])


def put_away(array: np.ndarray) -> np.ndarray:
    """The same array, in a file where it is large.

    Raises:
        DataError: If the file cannot be written.
    """
    if array.nbytes <= LARGE or _mapping(array) is not None:
        return array
    kept = Spool(array.dtype, array.shape[1:])
    for part in stretches(len(array)):
        kept.extend(array[part])
    return kept.finish()


def blank(rows: int, dtype: np.typing.DTypeLike, shape: tuple[int, ...] = ()) -> np.ndarray:
    """An array of zeros to be filled, in a file where it is large.

    Raises:
        DataError: If the file cannot be written.
    """
    size = rows * int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size <= LARGE:
        return np.zeros((rows, *shape), dtype=dtype)
    try:
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            return _mapped(file, np.dtype(dtype), (rows, *shape))
    except OSError as error:
        raise DataError(cannot("write", Path(tempfile.gettempdir()), error)) from error


def offsets_of(sizes: np.ndarray) -> np.ndarray:
    """Where each of some things begins that lie one after another, and where the last one ends.

    Args:
        sizes: Of each, ``(n,)`` int64.

    Returns:
        ``(n + 1,)`` int64, in a file where it is large.

    Raises:
        DataError: If the file cannot be written.
    """
    offsets = blank(len(sizes) + 1, np.int64)
    for part in stretches(len(sizes)):
        offsets[part.start + 1 : part.stop + 1] = offsets[part.start] + np.cumsum(sizes[part])
    let_go(sizes)
    let_go(offsets)
    return offsets


def taken(array: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Those rows of an array, in that order, in a file where they are large.

    Raises:
        DataError: If the file cannot be written.
    """
    kept = Spool(array.dtype, array.shape[1:])
    for part in stretches(len(indices)):
        kept.extend(array[indices[part]])
        let_go(array)
    return kept.finish()


def _mapped(file: IO[bytes], dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """The file as an array, which keeps it when its handle is closed."""
    # a plain view: each slice of a memmap object costs microseconds more
    return np.memmap(file, dtype, "r+", shape=shape).view(np.ndarray)


def let_go(array: np.ndarray) -> None:
    """Say that what was read of an array is not needed any more, where it lies in a file.

    The system would take the memory back when it needs it; so the process does not seem to hold
    what it has only passed over.
    """
    mapping = _mapping(array)
    if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)  # the mapping is a shared one: what was written stays


def _mapping(array: np.ndarray) -> mmap.mmap | None:
    """The mapping of the file in which an array lies; None for an array in memory."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


class Passing:
    """Lets arrays go, again and again, as they are passed over.

    Args:
        arrays: As in `let_go`.
    """

    def __init__(self, *arrays: np.ndarray) -> None:
        self._arrays, self._passed = arrays, 0

    def over(self, size: int) -> None:
        """Record that this many more bytes were read and are no longer needed."""
        self._passed += size
        if self._passed > PASSED:
            for array in self._arrays:
                let_go(array)
            self._passed = 0


def stretches(rows: int) -> Iterator[slice]:
    """Slices that cover a number of rows, of at most `STRETCH`."""
    return (slice(start, min(start + STRETCH, rows)) for start in range(0, rows, STRETCH))
