"""Truncated backpropagation through time, with both of its lengths."""

import itertools

import torch
from pydantic import Field
from torch import Tensor, nn

from engram.data.batching.lanes import LEAST_STEPS, Window
from engram.models.many_to_many import State, detached
from engram.settings import Settings
from engram.training.losses import cross_entropy


class TruncationSettings(Settings):
    """How one long stream is trained on: in lanes, by windows of so many steps."""

    lanes: int = Field(32, ge=1, description="rows of a batch, each going on where it stopped")
    steps: int = Field(64, ge=1, description="steps between updates (k1 of truncation)")
    reach: int | None = Field(
        None, ge=1, description="steps a gradient flows back (k2 of truncation); default --steps"
    )
    steps_deviation: float = Field(
        0.0,
        ge=0.0,
        description="draw each window's length anew around --steps, with this deviation, and scale "
        "the rate by it; 5 is usual",
    )
    shift: bool = Field(True, description="start each epoch at another place in the text")

    def contradictions(self) -> list[str]:
        """What does not go together, a sentence each."""
        faults = super().contradictions()
        if self.steps_deviation and self.steps <= LEAST_STEPS:
            faults.append(
                f"steps_deviation={self.steps_deviation} draws windows of {LEAST_STEPS} steps or "
                f"more, and steps={self.steps} leaves nothing to draw; raise --steps"
            )
        return faults

    @property
    def k2(self) -> int:
        """Steps that a gradient flows back."""
        return self.reach or self.steps


def window_loss(
    model: nn.Module, window: Window, state: State | None, *, smoothing: float = 0.0
) -> tuple[Tensor, State]:
    """Run a model over a window and take its loss.

    The state comes in detached, so gradients end at the start of the window; the leading steps run
    without a gradient at all. Calling ``backward`` on the loss then gives the gradient of
    BPTT(k2; k1) of Williams and Peng (1990).

    Args:
        model: Called as ``model(inputs, state, reset=…)``; gives scores and states.
        window: Inputs, targets, and which of its steps lead and count.
        state: Carried from the window before; None at the start of an epoch.
        smoothing: Of the labels; see `cross_entropy`.

    Returns:
        The mean loss of the counted steps, and the state to carry, detached.
    """
    steps = len(window.inputs)
    state = detached(state)
    carried: State | None = state
    scores: list[Tensor] = []
    for start, stop in _pieces(steps, window.lead, window.advance):
        reset = None if window.reset is None else window.reset[start:stop]
        with torch.set_grad_enabled(start >= window.lead and torch.is_grad_enabled()):
            piece, state = model(window.inputs[start:stop], state, reset=reset)
        scores.append(piece)
        if stop == window.advance:
            carried = detached(state)
    joined = scores[0] if len(scores) == 1 else torch.cat(scores)
    first = steps - window.counted
    loss = cross_entropy(joined[first:], window.targets[first:], smoothing=smoothing)
    return loss, carried  # type: ignore[return-value]


def _pieces(steps: int, lead: int, advance: int) -> list[tuple[int, int]]:
    """The stretches of a window between the points where something has to be done."""
    points = sorted({0, lead, advance, steps})
    return list(itertools.pairwise(points))
