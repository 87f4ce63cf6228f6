"""Which engine runs a cell, and the reason."""

from dataclasses import dataclass

from torch import Tensor

from engram.cells.base import Cell
from engram.engine import fused, reference
from engram.engine.sequence import Result, State, Weights
from engram.errors import ConfigError, did_you_mean

ENGINES = ("auto", "reference", "torch")


@dataclass(frozen=True)
class Choice:
    """The engine that runs a cell.

    Attributes:
        engine: ``"reference"`` or ``"torch"``.
        reason: Why, as one sentence.
    """

    engine: str
    reason: str

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
        return reference.run(
            cell, x, weights, state, lengths=lengths, reset=reset, reverse=reverse, record=record
        )


def choose(cell: Cell, requested: str = "auto", *, see_steps: bool = False) -> Choice:
    """Choose the engine for a cell.

    Args:
        cell: The equations.
        requested: One of `ENGINES`.
        see_steps: Whether gates or the states of single steps must be visible.

    Raises:
        ConfigError: For an unknown engine, or one asked for by name that cannot do this.
    """
    if requested not in ENGINES:
        raise ConfigError(f"engine '{requested}' is not known: {did_you_mean(requested, ENGINES)}")
    name = type(cell).__name__
    if requested == "reference":
        return Choice("reference", "it was asked for by name")
    if cell.torch_layer is None:
        obstacle = f"torch has no fused layer with the equations of {name}"
    elif see_steps:
        obstacle = "torch's fused layer hides its gates and the states of single steps"
    else:
        asked = "it was asked for by name" if requested == "torch" else None
        return Choice("torch", asked or f"torch has a fused layer with the equations of {name}")
    if requested == "torch":
        raise ConfigError(f"engine 'torch' cannot run this: {obstacle}; use engine='auto'")
    return Choice("reference", obstacle)
