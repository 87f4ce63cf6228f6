"""Buffers: memory for what a kernel writes, kept for the next call when a tensor gives it back.

A training step writes the same large buffers again and again. Fresh from the system, memory costs
a page fault for every few KiB, a tenth of the step and more; and small pages cost a walk through
the page table at every other access. So buffers are rounded up to few sizes, ask for large pages,
and wait here between calls.

What gives memory back is C code alone: Ctrl-C may arrive in Python code of a finaliser, and an
exception there is printed and forgotten.
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
_SMALLEST = 64 * 1024  # under this, torch's own memory is as good
_MOST_KEPT = 1024 * 1024 * 1024  # bytes, waiting or lent, that are used again

_NUMPY: dict[torch.dtype, Any] = {torch.float32: np.float32, torch.float64: np.float64}

_lock = threading.RLock()
_waiting: "dict[int, list[_Memory]]" = {}  # by size
_lent: "set[_Lent]" = set()
_returned: "deque[_Lent]" = deque()  # those of `_lent` whose loan is over


def buffer(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor of this shape with undefined content, float32 or float64.

    Its memory comes back here when the last tensor that shares it is gone.
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
    """Give memory that kernels hold for their next call, up to 1 GiB, back to the system.

    Tensors keep theirs. The next calls are slower, until they have made their buffers again.

    Returns:
        How many bytes were given back.

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
    """Memory from the system, in large pages where it is large."""

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
    """Memory as numpy takes it; it is over when nothing refers to it any more."""

    def __init__(self, memory: _Memory, shape: tuple[int, ...], kind: Any) -> None:
        self.memory = memory
        self.__array_interface__ = {
            "shape": shape,
            "typestr": np.dtype(kind).str,
            "data": (memory.address, False),
            "version": 3,
        }


class _Lent(weakref.ref[_Loan]):
    """Memory that comes back: at the end of the loan, C code puts this into `_returned`."""

    __slots__ = ("memory",)
    memory: _Memory


def _rounded(size: int) -> int:
    """At most an eighth more, so that nearly equal sizes share their buffers."""
    step = max(_SMALLEST, 1 << (size.bit_length() - 4))
    return -(-size // step) * step


def _take(size: int) -> tuple[_Memory, bool]:
    """Memory of this size, and whether it is to come back."""
    with _lock:
        if _returned:
            _collect()
        if _waiting.get(size):
            return _waiting[size].pop(), True
        room = _MOST_KEPT - size - _bytes([lent.memory for lent in _lent])
        for other in list(_waiting):  # what is not used any more makes room
            if _bytes(chain(*_waiting.values())) > room:
                del _waiting[other]
    return _Memory(size), room >= 0


def _collect() -> None:
    """Have what came back wait."""
    while _returned:
        lent = _returned.popleft()
        if lent in _lent:  # it is, unless Ctrl-C came before it was noted
            _lent.remove(lent)
            _waiting.setdefault(lent.memory.size, []).append(lent.memory)


def _bytes(memories: Iterable[_Memory]) -> int:
    return sum(memory.size for memory in memories)
