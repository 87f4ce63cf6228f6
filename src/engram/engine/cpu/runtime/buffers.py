"""Buffers: memory for what a kernel writes, kept for the next call when a tensor gives it back.

A training step writes the same large buffers again and again. Fresh from the system, memory costs
a page fault for every few KiB, a tenth of the step and more; and small pages cost a walk through
the page table at every other access. So buffers are rounded up to few sizes, ask for large pages,
and wait here between calls.
"""

import contextlib
import math
import mmap
import os
import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor

_LARGE_PAGE = 2 * 1024 * 1024
_SMALLEST = 64 * 1024  # under this, torch's own memory is as good
_MOST_WAITING = 1024 * 1024 * 1024  # bytes that may wait here

_NUMPY: dict[torch.dtype, Any] = {torch.float32: np.float32, torch.float64: np.float64}

_lock = threading.RLock()  # memory may be given back in the middle of taking some
_waiting: "dict[int, list[_Memory]]" = {}
_waiting_bytes = 0


def buffer(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor of this shape with undefined content, float32 or float64.

    Its memory comes back here when the last tensor that shares it is gone.
    """
    count = math.prod(shape)
    size = count * dtype.itemsize
    if size < _SMALLEST:
        return torch.empty(shape, dtype=dtype)
    loan = _Loan(_take(_rounded(size)), shape, _NUMPY[dtype])
    return torch.from_numpy(np.asarray(loan))


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
    """Memory as numpy takes it, which goes back when nothing refers to it any more."""

    def __init__(self, memory: _Memory, shape: tuple[int, ...], kind: Any) -> None:
        self.memory = memory
        self.__array_interface__ = {
            "shape": shape,
            "typestr": np.dtype(kind).str,
            "data": (memory.address, False),
            "version": 3,
        }

    def __del__(self) -> None:
        _give_back(self.memory)


def _rounded(size: int) -> int:
    """At most an eighth more, so that nearly equal sizes share their buffers."""
    step = max(_SMALLEST, 1 << (size.bit_length() - 4))
    return -(-size // step) * step


def _take(size: int) -> _Memory:
    global _waiting_bytes
    with _lock:
        if _waiting.get(size):
            _waiting_bytes -= size
            return _waiting[size].pop()
    return _Memory(size)


def _give_back(memory: _Memory) -> None:
    global _waiting_bytes
    with _lock:
        if _waiting_bytes + memory.size <= _MOST_WAITING:
            _waiting.setdefault(memory.size, []).append(memory)
            _waiting_bytes += memory.size
