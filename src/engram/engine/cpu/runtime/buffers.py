"""Buffers: memory for kernel outputs, kept for the next call once a tensor releases it.

A training step writes the same large buffers again and again. Memory fresh from the system costs
a page fault for every few KiB, a tenth of the step or more, and small pages cost frequent page
table walks. So buffers are rounded up to a few sizes, use large pages, and are kept here between
calls.

Memory is returned by C code only: Ctrl-C may arrive in Python code of a finaliser, where an
exception is printed and ignored.
"""

import contextlib
import math
import mmap
import os
import threading
import weakref
from collections import deque
from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

_LARGE_PAGE = 2 * 1024 * 1024
_SMALLEST = 64 * 1024  # below this, torch's own allocator is as good
_MOST_KEPT = 1024 * 1024 * 1024  # bytes, waiting or lent, that are kept for reuse

_NUMPY: dict[torch.dtype, Any] = {torch.float32: np.float32, torch.float64: np.float64}

_lock = threading.RLock()
_waiting: "dict[int, list[_Memory]]" = {}  # by size
_lent: "set[_Lent]" = set()
_returned: "deque[_Lent]" = deque()  # entries of `_lent` that were returned


def buffer(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """An uninitialised tensor of this shape, float32 or float64.

    Its memory returns here when the last tensor that shares it is freed.
    """
    count = math.prod(shape)
    size = count * dtype.itemsize
    if size < _SMALLEST:
        return torch.empty(shape, dtype=dtype)
    memory, keep = _take(_rounded(size))
    loan = _Loan(memory, shape, _NUMPY[dtype])
    if keep:
        lent = _Lent(loan, _returned.append)
        lent.memory = memory
        _lent.add(lent)
    return torch.from_numpy(np.asarray(loan))


def release_buffers() -> int:
    """Return the memory that kernels keep for their next call, up to 1 GiB, to the system.

    Memory in use by tensors is not affected. The next calls are slower until the buffers are
    allocated again.

    Returns:
        The number of bytes released.

    Example:
        >>> import torch, engram
        >>> layer = engram.LSTM(64, 128)
        >>> output, _ = layer(torch.randn(100, 32, 64))
        >>> del output
        >>> engram.release_buffers() > 0
        True
    """
    with _lock:
        _collect()
        size = _bytes(chain(*_waiting.values()))
        _waiting.clear()
    return size


class _Memory:
    """Memory from the system, in large pages if it is large."""

    def __init__(self, size: int) -> None:
        self.size = size
        # private: a forked process must not write into the buffers of its parent
        private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if os.name == "posix" else {}
        self.content = mmap.mmap(-1, size, **private)
        if size >= _LARGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # a system without large pages
                self.content.madvise(mmap.MADV_HUGEPAGE)
        self.address = np.frombuffer(self.content, np.uint8).ctypes.data


class _Loan:
    """Memory as a numpy array; freed when nothing refers to it any more."""

    def __init__(self, memory: _Memory, shape: tuple[int, ...], kind: Any) -> None:
        self.memory = memory
        self.__array_interface__ = {
            "shape": shape,
            "typestr": np.dtype(kind).str,
            "data": (memory.address, False),
            "version": 3,
        }


class _Lent(weakref.ref[_Loan]):
    """Lent memory: when it is released, C code appends this to `_returned`."""

    __slots__ = ("memory",)
    memory: _Memory


def _rounded(size: int) -> int:
    """Round up by at most an eighth, so that nearly equal sizes share buffers."""
    step = max(_SMALLEST, 1 << (size.bit_length() - 4))
    return -(-size // step) * step


def _take(size: int) -> tuple[_Memory, bool]:
    """Memory of this size, and whether it will be reused."""
    with _lock:
        if _returned:
            _collect()
        if _waiting.get(size):
            return _waiting[size].pop(), True
        room = _MOST_KEPT - size - _bytes([lent.memory for lent in _lent])
        for other in list(_waiting):  # unused buffers make room
            if _bytes(chain(*_waiting.values())) > room:
                del _waiting[other]
    return _Memory(size), room >= 0


def _collect() -> None:
    """Make returned memory available again."""
    while _returned:
        lent = _returned.popleft()
        if lent in _lent:  # true unless Ctrl-C came before it was recorded
            _lent.remove(lent)
            _waiting.setdefault(lent.memory.size, []).append(lent.memory)


def _bytes(memories: Iterable[_Memory]) -> int:
    return sum(memory.size for memory in memories)
