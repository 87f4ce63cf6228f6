"""The learning rate as a function of the update; nothing is kept between updates."""

import math

from engram.training.settings import TrainingSettings


def rate_at(update: int, total: int, updates_per_epoch: int, settings: TrainingSettings) -> float:
    """The learning rate of an update.

    Args:
        update: Its number, from 0.
        total: Updates of the whole training.
        updates_per_epoch: Updates of one epoch.
        settings: ``schedule``: *constant*; *cosine*, ½(1 + cos πu/n) (Loshchilov and Hutter 2017);
            *linear*, 1 - u/n; *exponential*, ``decay`` to the number of epochs past
            ``decay_after`` (Karpathy's char-rnn). ``warmup`` multiplies a linear rise.
    """
    share = update / max(1, total)
    if settings.schedule == "cosine":
        factor = 0.5 * (1.0 + math.cos(math.pi * share))
    elif settings.schedule == "linear":
        factor = 1.0 - share
    elif settings.schedule == "exponential":
        epoch = update // max(1, updates_per_epoch) + 1
        factor = settings.decay ** max(0, epoch - settings.decay_after)
    else:
        factor = 1.0
    if settings.warmup:
        factor *= min(1.0, (update + 1) / settings.warmup)
    return settings.rate * factor
