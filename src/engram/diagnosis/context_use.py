"""Context use: how much of the preceding context a model actually uses."""

from collections.abc import Sequence

import torch
from torch import nn

from engram.errors import DataError
from engram.models.evaluating import evaluating
from engram.records import ContextUse
from engram.tasks.probe import CONTEXTS, Probe

TOLERANCE = 0.01


@torch.no_grad()
def context_use(
    model: nn.Module, probe: Probe, *, contexts: Sequence[int] = CONTEXTS
) -> ContextUse:
    """Measure the loss at the same targets with increasing context before each.

    Each context starts from the zero state, or the learnt one; contexts longer than those of the
    targets are skipped.

    Args:
        model: The model; dropout is turned off.
        probe: The task's probe.
        contexts: Numbers of context steps to try.

    Raises:
        DataError: If the targets have no context.
    """
    kept = [context for context in sorted(contexts) if context <= probe.longest]
    if not kept or not probe.rows:
        raise DataError(
            f"{probe.rows} targets have {probe.longest} steps of context in common, too few to "
            "measure its use; give more data, or longer sequences"
        )
    every = slice(0, probe.rows)
    with evaluating(model):
        losses = [float(probe.losses(model, every, each).losses.double().mean()) for each in kept]
    return describe_contexts(kept, losses, probe.rows)


def describe_contexts(
    contexts: Sequence[int], losses: Sequence[float], positions: int, tolerance: float = TOLERANCE
) -> ContextUse:
    """Find the horizon of losses by context."""
    limit = losses[-1] + tolerance * abs(losses[-1])
    horizon = contexts[-1]
    for context, loss in zip(reversed(contexts), reversed(losses), strict=True):
        if loss > limit:
            break
        horizon = context
    return ContextUse(list(contexts), list(losses), horizon, tolerance, positions)
