"""Probes: single losses of a model, which diagnosis follows back through its layers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

CONTEXTS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 75, 100, 150, 200, 300, 500)
"""Steps of context that are tried."""

ROWS = 512
"""The number of single losses to measure, if the data has enough."""

_FEW = 64  # targets under which the mean of the longest contexts would be noise


@dataclass(frozen=True)
class Single:
    """One loss for each row.

    Attributes:
        losses: ``(B,)``.
        places: By the name of a recurrent layer, the step that a row's loss follows from directly,
            ``(B,)`` int64. Layers that are not named have it at the end of the row: the last step
            in a forward direction, the first one in a reverse direction.
    """

    losses: Tensor
    places: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """What diagnosis needs to know of a task: losses that sit at one step of each row.

    Attributes:
        losses: ``losses(model, rows, context)``: those of these rows, each given that many steps up
            to its own; None gives all that there are.
        rows: How many there are.
        longest: The longest context that every row has; 0 where contexts make no sense.
        unit: What a step is called, in the plural.
        truncation: Steps that a gradient flowed back in training; None for whole sequences.
    """

    losses: Callable[[nn.Module, slice, int | None], Single]
    rows: int
    longest: int
    unit: str
    truncation: int | None = None


def choose_targets(
    available: np.ndarray, seed: int, contexts: Sequence[int] = CONTEXTS, rows: int = ROWS
) -> tuple[int, np.ndarray]:
    """Draw targets that have a context in common, the longest one that enough of them have.

    Args:
        available: Steps of context before each possible target, ``(N,)``.
        seed: Of the draw.
        contexts: Lengths to choose from.
        rows: How many targets, at most.

    Returns:
        The longest context, and the places of the targets in ``available``; 0 and none where there
        is no target with a context.
    """
    for context in sorted(contexts, reverse=True):
        ends = np.flatnonzero(available >= context)
        if len(ends) >= _FEW or (context == min(contexts) and len(ends)):
            return context, drawn(ends, seed, rows)
    return 0, np.zeros(0, dtype=np.int64)


def drawn(places: np.ndarray, seed: int, rows: int = ROWS) -> np.ndarray:
    """Some of the places, drawn without putting any back."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(places), generator=generator)[:rows]
    return places[order.numpy()]
