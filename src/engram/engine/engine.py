"""Engine: a way to run a cell over a sequence, and what it says of itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from engram.cells.base import Cell
from engram.engine.sequence import Result, State, Weights


class Request(NamedTuple):
    """What an engine is asked to do with a cell.

    Attributes:
        record: Whether gates must be visible.
        tensors: Input, weights and states that it would run on; none to leave them open.
    """

    record: bool
    tensors: Sequence[Tensor]


@dataclass(frozen=True)
class Made:
    """How a kernel came to be.

    Attributes:
        name: ``forward``, ``backward``, ``products`` or ``panels``, and what it does.
        seconds: To have it ready.
        from_disk: Whether it had been compiled before.
        size: Bytes of its object file.
    """

    name: str
    seconds: float
    from_disk: bool
    size: int


class Engine(Protocol):
    """A way to run a cell over a sequence.

    Attributes:
        name: By which it is asked for.
        reason: Why it is chosen, with ``{cell}`` for the name of the cell's class; empty where that
            is only what stands in the way of the others.
    """

    name: str
    reason: str

    def obstacle(self, cell: Cell, request: Request) -> str | None:
        """Why it cannot run this, as a clause; None where it can."""

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

    def compiled(self, cell: Cell, dtype: torch.dtype) -> tuple[Made, ...]:
        """Kernels that were made for a cell in this process."""
