"""L1, L2, elastic net and decoupled decay, on the kinds of weights that the settings name.

For weights w, a loss E, a learning rate η:

- L2 (ridge; Hoerl and Kennard 1970): E + ½ λ₂ Σw², so the gradient gains λ₂ w.
- L1 (lasso; Tibshirani 1996): E + λ₁ Σ|w|, so the gradient gains λ₁ sign(w), and 0 at w = 0.
- Both at once are the elastic net (Zou and Hastie 2005): E + λ₁ Σ|w| + ½ λ₂ Σw².
- Decoupled decay (Loshchilov and Hutter 2019): w ← w - η λ w beside the update, so that no
  optimiser rescales it. In plain SGD it is L2; in RMSProp and Adam it is not, because these divide
  the gradient, and an L2 term in it, by its usual size.

The gradient of a penalty is part of the gradient: it is clipped with it and counts in its norm.
The loss that is shown is without penalties. Shared weights are penalised once. Frozen weights, and
those that had no gradient in an update, are left alone.
"""

import torch
from torch.optim import Optimizer

from engram.training.settings import TrainingSettings


@torch.no_grad()
def add_weight_penalties(optimizer: Optimizer, settings: TrainingSettings) -> None:
    """Add the gradients of L1 and L2 to those of the loss, in place."""
    if not (settings.l1 or settings.l2):
        return
    for group in optimizer.param_groups:
        weights = [p for p in group["params"] if p.grad is not None]
        if not group["regularised"] or not weights:
            continue
        gradients = [p.grad for p in weights]
        if settings.l2:
            torch._foreach_add_(gradients, weights, alpha=settings.l2)
        if settings.l1:
            torch._foreach_add_(gradients, torch._foreach_sign(weights), alpha=settings.l1)


@torch.no_grad()
def decay_weights(optimizer: Optimizer, settings: TrainingSettings) -> None:
    """Take η λ w off the weights w, in place; η is the rate of this update."""
    if not settings.weight_decay:
        return
    for group in optimizer.param_groups:
        weights = [p for p in group["params"] if p.grad is not None]
        if group["regularised"] and weights:
            torch._foreach_mul_(weights, 1.0 - group["lr"] * settings.weight_decay)
