"""Update rules by name."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import Optimizer

from engram.training.settings import TrainingSettings


def make_optimizer(parameters: Iterable[nn.Parameter], settings: TrainingSettings) -> Optimizer:
    """Make the optimiser that the settings name, over these parameters."""
    parameters = list(parameters)
    rate, decay = settings.rate, settings.weight_decay
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=rate, momentum=settings.momentum, weight_decay=decay, foreach=True
        )
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(
            parameters,
            lr=rate,
            alpha=settings.smoothing,
            momentum=settings.momentum,
            weight_decay=decay,
            foreach=True,
        )
    rule = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return rule(parameters, lr=rate, weight_decay=decay, fused=True)
