"""Update rules by name."""

from collections.abc import Sequence

import torch
from torch.optim import Optimizer

from engram.training.groups import Group
from engram.training.settings import TrainingSettings


def make_optimizer(groups: Sequence[Group], settings: TrainingSettings) -> Optimizer:
    """Make the optimiser that the settings name, over these groups of weights.

    Decay is not the optimiser's: `weight_penalties` acts on the groups that are regularised. Each
    of the optimiser's groups holds its ``factor`` on the rate, and whether it is ``regularised``.
    """
    rate = settings.rate
    parameters = [
        {"params": g.parameters, "factor": g.factor, "regularised": g.regularised} for g in groups
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=settings.momentum, foreach=True)
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(
            parameters,
            lr=rate,
            alpha=settings.smoothing,
            momentum=settings.momentum,
            foreach=True,
        )
    # without a decay of its own AdamW is Adam
    return torch.optim.Adam(parameters, lr=rate, fused=True)
