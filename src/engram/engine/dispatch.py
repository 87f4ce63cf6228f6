"""Which engine runs a cell, and the reason."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from engram.cells.base import Cell
from engram.engine.compiled.traceable import untraceable
from engram.engine.cpu.engine import CpuEngine
from engram.engine.engine import Engine, Made, Request
from engram.engine.fused import TorchEngine
from engram.engine.reference import ReferenceEngine
from engram.engine.sequence import Result, State, Weights
from engram.errors import ConfigError, EngramWarning, did_you_mean

# The first that nothing stands in the way of runs.
ENGINES: tuple[Engine, ...] = (CpuEngine(), TorchEngine(), ReferenceEngine())
_BY_NAME = {engine.name: engine for engine in ENGINES}


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
    compiled: tuple[Made, ...] = ()

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
        return _BY_NAME[self.engine].run(
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
        requested: The name of one of `ENGINES`, or ``"auto"`` for the first that can.
        record: Whether gates must be visible.
        tensors: Input, weights and states that it would run on; none to leave them open.

    Raises:
        ConfigError: For an unknown engine, or one asked for by name that cannot do this.
    """
    request = Request(record, [*tensors])
    if requested != "auto":
        asked_for = _BY_NAME.get(requested)
        if asked_for is None:
            accepted = ("auto", *_BY_NAME)
            raise ConfigError(
                f"engine '{requested}' is not known: {did_you_mean(requested, accepted)}"
            )
        obstacle = asked_for.obstacle(cell, request)
        if obstacle is not None:
            raise ConfigError(
                f"engine '{requested}' cannot run this: {obstacle}; use engine='auto'"
            )
        return Choice(requested, "it was asked for by name")
    obstacles: list[str] = []
    for engine in ENGINES:
        obstacle = engine.obstacle(cell, request)
        if obstacle is None:
            break
        obstacles.append(obstacle)
    if len(obstacles) == len(ENGINES) - 1 and cell.torch_layer is None:
        fault = untraceable(cell)
        if fault is not None:
            _say_once(fault)
    # what stands in the way of the first engine is why another runs
    reason = engine.reason.format(cell=type(cell).__name__)
    return Choice(engine.name, ", and ".join([*filter(None, [reason]), *obstacles[:1]]))


def with_compiled(choice: Choice, cell: Cell, dtype: torch.dtype) -> Choice:
    """A choice together with the kernels that were made for it."""
    return replace(choice, compiled=_BY_NAME[choice.engine].compiled(cell, dtype))


@cache
def _say_once(fault: str) -> None:
    text = f"{fault}; it runs on the reference engine, which is slow"
    warnings.warn(text, EngramWarning, stacklevel=6)
