"""Stream: one step at a time, with as little around the kernel as can be.

Weights are read where they are: nothing is packed or kept from call to call, so nothing can be out
of date. A table of arguments is laid out once for a shape; a step copies it, writes its addresses,
and calls.
"""

import ctypes
import struct
from functools import lru_cache

import torch
from torch import Tensor

from engram.cells.base import Cell
from engram.engine.compiled.names import cell_name
from engram.engine.compiled.schedule import full_schedule
from engram.engine.cpu.kernels.forward import ForwardKind
from engram.engine.cpu.runtime.kernels import kernels_for
from engram.engine.cpu.runtime.passes import GIVE_WAY
from engram.engine.cpu.runtime.team import team

# Bytes of weights from which on a second thread is worth waking.
_BYTES_TO_SPLIT = 768 * 1024


class Stream:
    """Steps of one cell for one shape.

    Args:
        cell: The equations.
        dtype: float32 or float64.
        features: I.
        hidden: H.
        batch: B.
        bias: Whether there are biases.
    """

    def __init__(
        self, cell: Cell, dtype: torch.dtype, features: int, hidden: int, batch: int, bias: bool
    ) -> None:
        kind = ForwardKind(resets=False, keeping=False, from_input=True, plain=True)
        kernels = kernels_for(cell_name(cell), dtype)
        self._kernel = kernel = kernels.forward(kind)
        schedule = full_schedule(1, batch, False)
        blocks = len(cell.gates) * hidden
        self._nothing = torch.zeros(blocks, dtype=dtype)
        words: dict[str, Tensor | int] = {
            "first": 0,
            "last": 1,
            "hidden": hidden,
            "features": features,
            "rows": batch,
            "now": schedule.now,
            "count": schedule.count,
            "before": schedule.before,
            "count_before": schedule.count_before,
            "give_way": GIVE_WAY,
            **{f"stride.{name}": 1 for name in cell.states},
        }
        self._large = (
            blocks * (features + len(cell.recurrent) * hidden) * dtype.itemsize >= _BYTES_TO_SPLIT
        )
        self._groups = kernels.plain_tile.groups(hidden)
        self._table = type(kernel.table({}))
        self._words = words  # tensors stay as long as their addresses
        self._ready = bytes(kernel.table(words))
        self._no_biases = None if bias else [self._nothing.data_ptr()] * 2
        first, last = kernel.place("output"), kernel.place(f"state.{cell.states[-1]}")
        self._start = first * struct.calcsize("q")
        self._write = struct.Struct(f"{last + 1 - first}q").pack_into
        self._turned, self._turned_place = False, kernel.place("turned")
        self._team_places = [kernel.place(name) for name in ("thread_number", "thread_count")]

    def step(self, addresses: list[int]) -> None:
        """Compute one step.

        Args:
            addresses: Of contiguous memory, in the kernel's order: where the emitted state is
                also written, ``(B, H)``; the input, ``(B, I)``; input and recurrent matrix, both
                biases where there are some, and per-unit weights; the states before, ``(B, H)``
                each in the cell's order; and where those after the step are written.
        """
        if self._no_biases is not None:
            addresses[4:4] = self._no_biases
        table = self._table.from_buffer_copy(self._ready)
        self._write(table, self._start, *addresses)
        if not self._large:
            self._kernel.alone(ctypes.addressof(table), 0, 1)
            return
        # to and fro, so that the weights that were read last are the first of the next step
        self._turned = not self._turned
        table[self._turned_place] = self._turned
        current = team()
        table[self._team_places[0]] = current.thread_number
        table[self._team_places[1]] = current.thread_count
        threads = min(torch.get_num_threads(), self._groups)
        self._kernel.run_table(ctypes.addressof(table), max(threads, 1))


@lru_cache(maxsize=256)
def stream(
    cell: Cell, dtype: torch.dtype, features: int, hidden: int, batch: int, bias: bool
) -> Stream:
    """The stream for a shape, shared by all layers that have it."""
    return Stream(cell, dtype, features, hidden, batch, bias)
