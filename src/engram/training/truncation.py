"""Truncated backpropagation through time, with both of its lengths."""

import itertools

import torch
from torch import Tensor, nn

from engram.data.batching.lanes import Window
from engram.models.many_to_many import State, detached
from engram.training.losses import cross_entropy


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
