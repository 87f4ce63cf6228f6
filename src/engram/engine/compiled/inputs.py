"""Inputs: what the passes of a cell start from, and what they leave."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from engram.engine.compiled.schedule import Schedule
from engram.engine.sequence import Weights


@dataclass(frozen=True)
class Inputs:
    """What a pass starts from; every tensor is contiguous and of one dtype.

    Attributes:
        x: ``(N, I)`` packed rows.
        weights: Of the layer and direction; its masks are ``(N, H)`` packed rows.
        initial: Initial states by name, ``(B, H)`` in the order of the rows.
        keep: ``(N,)`` uint8, 0 where a row's state is cleared before its step; or None.
        schedule: Which rows run when.
    """

    x: Tensor
    weights: Weights
    initial: Mapping[str, Tensor]
    keep: Tensor | None
    schedule: Schedule

    @property
    def hidden(self) -> int:
        """H."""
        return next(iter(self.initial.values())).shape[1]


@dataclass(frozen=True)
class Kept:
    """What a forward pass leaves.

    Attributes:
        states: By name, ``(N, H)``, with room for ``T·B`` rows; or ``(B, H)``, the last, where
            nothing asked for more.
        gates: ``(N, (G + E)·H)``: values by gate, and E further ones, as the plan places them; None
            unless kept.
        rows: Further values with one number for each row, ``(values, N)``; None where none are.
    """

    states: dict[str, Tensor]
    gates: Tensor | None = None
    rows: Tensor | None = None


@dataclass(frozen=True)
class Gradients:
    """What a backward pass gives; shapes as of what each belongs to.

    Attributes:
        x: ``(N, I)``, or None where it was not asked for.
        weights: Of all weights.
        initial: Of the initial states.
    """

    x: Tensor | None
    weights: Weights
    initial: dict[str, Tensor]
