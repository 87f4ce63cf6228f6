"""MATLAB files of version 5 to 7.2: arrays of numbers, and cells of them.

scipy reads them too, and dies on some damaged ones without an error that could be caught; here
every size is held against what is there. The format: "MAT-File Format", The MathWorks, chapter 1.
"""

import math
import struct
import zlib
from pathlib import Path

import numpy as np

from engram.errors import DataError

_HEADER = 128  # bytes before the first element
_MATRIX, _COMPRESSED, _FLAGS, _DIMENSIONS, _NAME = 14, 15, 6, 5, 1
_CELL, _COMPLEX = 1, 0x08
_NUMERIC = range(6, 16)  # classes of arrays of numbers
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"} | {
    12: "i8",
    13: "u8",
}
_DEEPEST = 8  # cells within cells
_LARGEST = 1 << 31  # bytes of an element that is unpacked


class _DamagedError(Exception):
    """What is wrong, in words."""


def read_mat(path: Path) -> dict[str, np.ndarray]:
    """The variables of a file: arrays of numbers as they are, cells as arrays of objects.

    Variables of other kinds are left out.

    Raises:
        DataError: For a file that is no such one, or is damaged.
        OSError: For one that cannot be read.
    """
    raw = path.read_bytes()
    try:
        if len(raw) < _HEADER or raw[126:128] not in (b"IM", b"MI") or b"\0" in raw[:4]:
            raise _DamagedError("its header is not that of a MATLAB file")
        order = "<" if raw[126:128] == b"IM" else ">"
        found = {}
        for kind, content in _elements(memoryview(raw)[_HEADER:], order):
            if kind == _COMPRESSED:
                ((kind, content),) = _elements(_unpacked(content), order)
            if kind != _MATRIX:
                raise _DamagedError(f"it holds an element of kind {kind}, instead of a variable")
            name, value = _matrix(content, order, 0)
            if value is not None:
                found[name] = value
    except (_DamagedError, ValueError, zlib.error) as fault:
        raise DataError(f"{path} is not a valid MATLAB file: {fault}; restore it") from None
    return found


def _elements(raw: memoryview, order: str) -> list[tuple[int, memoryview]]:
    """The elements that lie one after another: their kinds and contents."""
    found, at = [], 0
    while at < len(raw):
        if len(raw) - at < 8:
            raise _DamagedError("it ends within an element")
        first, size = struct.unpack(f"{order}II", raw[at : at + 8])
        if first >> 16:  # a small one: its size, its kind, and up to four bytes
            kind, size, begin = first & 0xFFFF, first >> 16, at + 4
            at += 8
            if size > 4:
                raise _DamagedError(f"a small element claims {size} bytes")
        else:
            kind, begin = first, at + 8
            if size > len(raw) - begin:
                raise _DamagedError(
                    f"an element claims {size:,} bytes, and {len(raw) - begin:,} follow"
                )
            # what is packed is not padded, and the last one need not be
            at = begin + size + (0 if kind == _COMPRESSED else -size % 8)
        found.append((kind, raw[begin : begin + size]))
    return found


def _unpacked(content: memoryview) -> memoryview:
    unpacker = zlib.decompressobj()
    raw = unpacker.decompress(content, _LARGEST)
    if not unpacker.eof:
        raise _DamagedError("a packed element is cut off, or larger than 2 GB")
    return memoryview(raw)


def _matrix(raw: memoryview, order: str, depth: int) -> tuple[str, np.ndarray | None]:
    """Name and value of an array; None for a kind that is not read."""
    if not len(raw):
        return "", np.zeros((0, 0))
    parts = _elements(raw, order)
    if (
        depth > _DEEPEST
        or len(parts) < 3
        or [kind for kind, _ in parts[:2]]
        != [
            _FLAGS,
            _DIMENSIONS,
        ]
    ):
        raise _DamagedError("an array has no flags or no dimensions")
    flags, dimensions, (_, name) = parts[0][1], parts[1][1], parts[2]
    if len(flags) != 8 or len(dimensions) % 4 or not 8 <= len(dimensions) <= 128:
        raise _DamagedError("an array has flags or dimensions of another size")
    (word,) = struct.unpack(f"{order}I", flags[:4])
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions)
    if min(shape) < 0:
        raise _DamagedError(f"an array has the shape {shape}")
    text, kind, rest = bytes(name).decode("utf-8", "replace"), word & 0xFF, parts[3:]
    if kind == _CELL:
        if len(rest) != math.prod(shape) or any(each != _MATRIX for each, _ in rest):
            raise _DamagedError(f"a cell array of the shape {shape} holds {len(rest)} arrays")
        cells = np.empty(len(rest), dtype=object)
        for place, (_, content) in enumerate(rest):
            value = _matrix(content, order, depth + 1)[1]
            cells[place] = np.zeros(()) if value is None else value
        return text, cells.reshape(shape, order="F")
    if kind not in _NUMERIC or (word >> 8) & _COMPLEX:
        return text, None
    if len(rest) != 1 or rest[0][0] not in _STORED:
        raise _DamagedError("an array of numbers holds something else")
    dtype = np.dtype(order + _STORED[rest[0][0]])
    if len(rest[0][1]) != math.prod(shape) * dtype.itemsize:
        raise _DamagedError(f"an array of the shape {shape} holds {len(rest[0][1]):,} bytes")
    numbers = np.frombuffer(rest[0][1], dtype=dtype).reshape(shape, order="F")
    return text, numbers.astype(dtype.newbyteorder("="))
