"""Which engine runs a cell, and the reason."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd import forward_ad

from engram.cells.base import Cell
from engram.engine import fused, reference
from engram.engine.sequence import Result, State, Weights, constant_for_compile
from engram.engine.trace import UntraceableError, trace
from engram.errors import ConfigError, EngramWarning, did_you_mean

if TYPE_CHECKING:
    from engram.engine.cpu.runtime.kernels import Made

ENGINES = ("auto", "reference", "torch", "cpu")
_KERNEL_DTYPES = (torch.float32, torch.float64)


@dataclass(frozen=True)
class Choice:
    """The engine that runs a cell.

    Attributes:
        engine: ``"reference"``, ``"torch"`` or ``"cpu"``.
        reason: Why, as one sentence.
        compiled: Kernels that were made for it in this process, each with what it does, the seconds
            it took, and whether it came from the disk; empty unless `engine_of` asked.
    """

    engine: str
    reason: str
    compiled: tuple["Made", ...] = ()

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
        """Run the cell on the chosen engine; arguments and result as in `reference.run`."""
        if self.engine == "torch":
            return fused.run(cell, x, weights, state, lengths=lengths, reset=reset, reverse=reverse)
        if self.engine == "cpu":
            # loaded when it is needed: a program that never runs a layer need not load LLVM
            from engram.engine.compiled import operator

            run = operator.run
        else:
            run = reference.run
        return run(
            cell, x, weights, state, lengths=lengths, reset=reset, reverse=reverse, record=record
        )


def choose(
    cell: Cell,
    requested: str = "auto",
    *,
    record: bool = False,
    tensors: Iterable[Tensor] = (),
) -> Choice:
    """Choose the engine for a cell.

    Args:
        cell: The equations.
        requested: One of `ENGINES`.
        record: Whether gates must be visible.
        tensors: Input, weights and states that it would run on; none to leave them open.

    Raises:
        ConfigError: For an unknown engine, or one asked for by name that cannot do this.
    """
    if requested not in ENGINES:
        raise ConfigError(f"engine '{requested}' is not known: {did_you_mean(requested, ENGINES)}")
    if requested == "reference":
        return Choice("reference", "it was asked for by name")
    kernel_obstacle = _kernel_obstacle(cell, tensors)
    name = type(cell).__name__
    if requested == "auto" and kernel_obstacle is None:
        return Choice("cpu", f"{name} is compiled for this machine from its equations")
    obstacles = {"cpu": kernel_obstacle, "torch": _fused_obstacle(cell, record)}
    if requested != "auto":
        if obstacles[requested] is not None:
            raise ConfigError(
                f"engine '{requested}' cannot run this: {obstacles[requested]}; use engine='auto'"
            )
        return Choice(requested, "it was asked for by name")
    untraceable = _untraceable(cell)
    if untraceable is not None and cell.torch_layer is None:
        _say_once(untraceable)
    if obstacles["torch"] is None:
        return Choice("torch", f"torch has a fused layer for {name}, and {kernel_obstacle}")
    return Choice("reference", untraceable or str(kernel_obstacle))


def with_compiled(choice: Choice, cell: Cell, dtype: torch.dtype) -> Choice:
    """A choice together with the kernels that were made for it."""
    if choice.engine != "cpu":
        return choice
    from engram.engine.compiled.operator import kernels_of

    return replace(choice, compiled=tuple(kernels_of(cell, dtype).made))


def _kernel_obstacle(cell: Cell, tensors: Iterable[Tensor]) -> str | None:
    """Why kernels cannot run this; None where they can."""
    untraceable = _untraceable(cell)
    if untraceable is not None:
        return untraceable
    if torch._C._are_functorch_transforms_active():
        return "kernels have no rules for the transforms of torch.func"
    dtypes = set()
    for tensor in tensors:
        dtypes.add(tensor.dtype)
        if len(dtypes) > 1:
            return f"kernels compute in one dtype and there are {_listed(dtypes)}"
        if tensor.device.type != "cpu":
            return f"kernels run on the CPU and a tensor is on {tensor.device}"
        if tensor.dtype not in _KERNEL_DTYPES:
            return f"kernels compute in float32 and float64 and a tensor is {tensor.dtype}"
        if _has_tangent(tensor):
            return "kernels have no forward-mode derivative"
    return None


def _listed(dtypes: set[torch.dtype]) -> str:
    return " and ".join(sorted(str(dtype) for dtype in dtypes))


def _fused_obstacle(cell: Cell, record: bool) -> str | None:
    """Why torch's fused layer cannot run this; None where it can."""
    if cell.torch_layer is None:
        return f"torch has no fused layer with the equations of {type(cell).__name__}"
    if record:
        return "torch's fused layer hides its gates"
    return None


def _untraceable(cell: Cell) -> str | None:
    """Why a cell cannot be written as a graph; None where it can."""
    return _tried(cell)


constant_for_compile(_untraceable)


@cache
def _tried(cell: Cell) -> str | None:
    if cell.late:
        return (
            f"cell {type(cell).__name__} multiplies its recurrent matrix with a value made within "
            "the step, and kernels know products with the states before it alone"
        )
    try:
        trace(cell)
    except UntraceableError as fault:
        return str(fault)
    return None


def _has_tangent(tensor: Tensor) -> bool:
    """Whether a tensor carries a forward-mode derivative."""
    return forward_ad._current_level >= 0 and forward_ad.unpack_dual(tensor).tangent is not None


@cache
def _say_once(fault: str) -> None:
    text = f"{fault}; it runs on the reference engine, which is slow"
    warnings.warn(text, EngramWarning, stacklevel=6)
