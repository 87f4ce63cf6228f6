"""Losses, right under masks."""

import torch
from torch import Tensor

from engram.data.lanes import IGNORED
from engram.errors import DataError


def cross_entropy(
    scores: Tensor, targets: Tensor, *, reduction: str = "mean", smoothing: float = 0.0
) -> Tensor:
    """Negative log-likelihood of the targets in nats, over the steps that ask for one.

    With label smoothing the target is (1 - ε)·onehot(y) + ε/V, so that the model is not driven to
    be ever surer (Szegedy et al. 2016, "Rethinking the Inception Architecture").

    Args:
        scores: Before softmax, ``(T, B, V)``.
        targets: ``(T, B)`` int64; -100 where nothing is asked.
        reduction: ``"mean"`` over the targets that are asked for, ``"sum"``, or ``"none"``
            ``(T, B)``.
        smoothing: ε.

    Raises:
        DataError: For a mean over no target at all, which would be NaN.
    """
    flat = targets.reshape(-1)
    loss = torch.nn.functional.cross_entropy(
        scores.reshape(flat.numel(), -1),
        flat,
        ignore_index=IGNORED,
        reduction=reduction,
        label_smoothing=smoothing,
    )
    # over no target at all the mean is NaN; looking for that first would cost every update
    if reduction == "mean" and bool(loss.isnan()) and not bool((flat != IGNORED).any()):
        raise DataError(
            f"every one of the {flat.numel()} targets is masked, so there is no loss; "
            "leave such batches out"
        )
    return loss.view_as(targets) if reduction == "none" else loss
