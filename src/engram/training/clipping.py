"""Clipping of gradients by norm and by value (Pascanu, Mikolov, Bengio 2013; Mikolov 2012)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def gradient_norm(parameters: Sequence[nn.Parameter]) -> float:
    """The norm of all gradients as one vector; infinite or NaN where an entry is."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms: list[Tensor] = list(torch._foreach_norm(gradients))
    return float(torch.linalg.vector_norm(torch.stack(norms)))


def clip(
    parameters: Sequence[nn.Parameter], norm: float, limit: float | None, value: float | None
) -> bool:
    """Clip gradients in place: first the norm, g ← g·limit/‖g‖, then each entry to ±value.

    Args:
        parameters: Those whose gradients are clipped.
        norm: The gradient's norm, from `gradient_norm`.
        limit: Largest norm, or None.
        value: Largest absolute value of an entry, or None.

    Returns:
        Whether anything was changed.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    changed = False
    if limit is not None and norm > limit:
        torch._foreach_mul_(gradients, limit / norm)
        changed = True
    if value is not None:
        largest = max(float(g.abs().max()) for g in gradients)
        if largest > value:
            torch._foreach_clamp_min_(gradients, -value)
            torch._foreach_clamp_max_(gradients, value)
            changed = True
    return changed
