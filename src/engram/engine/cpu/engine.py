"""The cpu engine: kernels that are made from a cell's graph, for the processor at hand.

What it takes to run them, LLVM among it, is loaded when a layer first runs.
"""

import os

import torch
from torch import Tensor
from torch.autograd import forward_ad

from engram.cells.base import Cell
from engram.engine import torch_internals as internals
from engram.engine.compiled.traceable import untraceable
from engram.engine.engine import Made, Request
from engram.engine.sequence import Result, State, Weights

_DTYPES = (torch.float32, torch.float64)


def _limit() -> str:
    """What the environment allows; `codegen.target.host` reads it too, and checks it."""
    bits = os.environ.get("ENGRAM_VECTOR_BITS")
    return "" if bits is None else f", with vectors of {bits} bits at most (ENGRAM_VECTOR_BITS)"


class CpuEngine:
    """Kernels on a CPU; see `Engine`."""

    name = "cpu"
    reason = "{cell} is compiled for this machine from its equations" + _limit()

    def obstacle(self, cell: Cell, request: Request) -> str | None:
        """Why kernels cannot run this; None where they can."""
        fault = untraceable(cell)
        if fault is not None:
            return fault
        if internals.transforms_active():
            return "kernels have no rules for the transforms of torch.func"
        may_have_tangents = internals.forward_mode._current_level >= 0
        first = None
        for tensor in request.tensors:
            dtype = tensor.dtype
            first = first or dtype
            if dtype is not first:
                both = " and ".join(sorted((str(first), str(dtype))))
                return f"kernels compute in one dtype and there are {both}"
            if tensor.device.type != "cpu":
                return f"kernels run on the CPU and a tensor is on {tensor.device}"
            if dtype not in _DTYPES:
                return f"kernels compute in float32 and float64 and a tensor is {dtype}"
            if may_have_tangents and forward_ad.unpack_dual(tensor).tangent is not None:
                return "kernels have no forward-mode derivative"
        return None

    def run(
        self,
        cell: Cell,
        x: Tensor,
        weights: Weights,
        state: State,
        *,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        reverse: bool = False,
        record: bool = False,
    ) -> Result:
        """Run a cell over a sequence; arguments and result as in `reference.run`."""
        import engram.engine.cpu.runtime.passes  # noqa: F401  (what the operator runs there)
        from engram.engine.compiled.operator import run

        return run(
            cell, x, weights, state, lengths=lengths, reset=reset, reverse=reverse, record=record
        )

    def compiled(self, cell: Cell, dtype: torch.dtype) -> tuple[Made, ...]:
        """Kernels that were made for a cell in this process."""
        from engram.engine.compiled.names import cell_name
        from engram.engine.cpu.runtime.kernels import kernels_for

        return tuple(kernels_for(cell_name(cell), dtype).made)
