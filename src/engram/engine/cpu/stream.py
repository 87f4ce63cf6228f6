"""Stream: one step at a time, with as little around the kernel as can be.

Weights are read where they are: nothing is packed or kept from call to call, so nothing can be out
of date. A table of arguments is laid out once for a shape; a step copies it, writes its addresses,
and calls.
"""

import ctypes
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from engram.cells.base import Cell
from engram.engine.cpu.forward import ForwardKind
from engram.engine.cpu.operator import kernels_of
from engram.engine.cpu.passes import GIVE_WAY
from engram.engine.cpu.schedule import full_schedule
from engram.engine.cpu.team import team

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
        kernels = kernels_of(cell, dtype)
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
        self._size = blocks * (features + len(cell.recurrent) * hidden) * dtype.itemsize
        self._groups = kernels.plain_tile.groups(hidden)
        self._table = type(kernel.table({}))
        self._ready = bytes(kernel.table(words))
        # weights stand in one row in the table, and a state's two addresses beside each other
        self._weights_from = kernel.place("input_panel")
        self._weights_to = self._weights_from + 4 + len(cell.weights)
        self._no_biases = None if bias else [self._nothing.data_ptr()] * 2
        self._input_place, self._output_place = kernel.place("input"), kernel.place("output")
        self._turned, self._turned_place = False, kernel.place("turned")
        self._state_places = [kernel.place(f"initial.{name}") for name in cell.states]
        self._team_places = [kernel.place(name) for name in ("thread_number", "thread_count")]

    def step(
        self,
        x: Tensor,
        weights: list[int],
        before: Sequence[Tensor],
        after: Sequence[Tensor],
        output: Tensor,
    ) -> None:
        """Compute one step; all tensors are contiguous.

        Args:
            x: ``(B, I)``.
            weights: Addresses of input and recurrent matrix, of both biases where there are some,
                and of per-unit weights.
            before: States, ``(B, H)`` each, in the cell's order.
            after: Where the states after the step are written.
            output: Where the emitted state is written besides, ``(B, H)``.
        """
        table = self._table.from_buffer_copy(self._ready)
        table[self._input_place] = x.data_ptr()
        table[self._output_place] = output.data_ptr()
        if self._no_biases:
            weights = weights[:2] + self._no_biases + weights[2:]
        table[self._weights_from : self._weights_to] = weights  # type: ignore[assignment]
        for place, old, new in zip(self._state_places, before, after):  # noqa: B905  # time counts
            table[place] = old.data_ptr()
            table[place + 1] = new.data_ptr()
        address = ctypes.addressof(table)
        if self._size < _BYTES_TO_SPLIT:
            self._kernel.alone(address, 0, 1)
            return
        # to and fro, so that the weights that were read last are the first of the next step
        self._turned = not self._turned
        table[self._turned_place] = self._turned
        current = team()
        table[self._team_places[0]] = current.thread_number
        table[self._team_places[1]] = current.thread_count
        threads = min(torch.get_num_threads(), self._groups)
        self._kernel.run_table(address, max(threads, 1))


@lru_cache(maxsize=256)
def stream(
    cell: Cell, dtype: torch.dtype, features: int, hidden: int, batch: int, bias: bool
) -> Stream:
    """The stream for a shape, shared by all layers that have it."""
    return Stream(cell, dtype, features, hidden, batch, bias)
