"""What counts in a cost, by lengths and by a mask; costs of single entries, right under both."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from engram.errors import ConfigError, DataError, did_you_mean

REDUCTIONS = ("mean", "sum", "none")
Lengths = Tensor | Sequence[int] | None


class Cost(Protocol):
    """A cost function; `losses` says what its arguments are."""

    def __call__(
        self,
        outputs: Tensor,
        targets: Tensor,
        *,
        lengths: Lengths = None,
        mask: Tensor | None = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Give the cost of outputs."""


def over_entries(
    numbers: int = 1,
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Make a cost out of a formula for single entries, ``formula(outputs, targets) -> costs``.

    Args:
        numbers: How many outputs a target has; they stand in blocks along the last axis.
    """

    def decorate(formula: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def cost(
            outputs: Tensor,
            targets: Tensor,
            *,
            lengths: Lengths = None,
            mask: Tensor | None = None,
            reduction: str = "mean",
            **options: Any,
        ) -> Tensor:
            check(outputs, targets, reduction, numbers)
            counted = what_counts(targets, lengths, mask)
            targets = targets.to(outputs.dtype)
            if counted is not None:
                targets = targets.masked_fill(~counted, 0.0)
                blocks = counted.expand_as(targets)
                outputs = outputs.masked_fill(~torch.cat([blocks] * numbers, dim=-1), 0.0)
            return reduced(formula(outputs, targets, **options), counted, reduction)

        cost.__name__ = cost.__qualname__ = formula.__name__
        cost.__module__, cost.__doc__ = formula.__module__, formula.__doc__
        return cost

    return decorate


def what_counts(targets: Tensor, lengths: Lengths, mask: Tensor | None) -> Tensor | None:
    """Which entries count, bool, broadcastable to the targets; None where all do.

    Args:
        targets: Begin with ``(T, B)``, or ``(B,)`` for one target a row.
        lengths: Valid steps of each row, ``(B,)``, or None for all.
        mask: Bool, shaped like the targets or like their first axes, or None for all.

    Raises:
        ConfigError: For lengths or a mask that do not fit the targets.
    """
    counted = None
    if mask is not None:
        if mask.dtype != torch.bool or mask.shape != targets.shape[: mask.dim()]:
            raise ConfigError(
                f"mask has shape {tuple(mask.shape)} and {mask.dtype}; it must be bool, with the "
                f"shape of the targets {tuple(targets.shape)} or of their first axes"
            )
        counted = mask.view(*mask.shape, *[1] * (targets.dim() - mask.dim()))
    if lengths is not None:
        given = torch.as_tensor(lengths, device=targets.device)
        if targets.dim() < 2 or given.shape != targets.shape[1:2] or given.is_floating_point():
            raise ConfigError(
                f"lengths has shape {tuple(given.shape)} and {given.dtype}, and targets "
                f"{tuple(targets.shape)}; give one whole number for each row of (T, B)"
            )
        within = torch.arange(len(targets), device=given.device).unsqueeze(1) < given
        within = within.view(*within.shape, *[1] * (targets.dim() - 2))
        counted = within if counted is None else counted & within
    return counted


def reduced(losses: Tensor, counted: Tensor | None, reduction: str) -> Tensor:
    """The mean or the sum of the losses that count, or each, zero where it does not count.

    Raises:
        DataError: For a mean over nothing, which would be NaN.
    """
    if counted is not None:
        losses = losses.masked_fill(~counted, 0.0)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if counted is None:
        counted = torch.ones_like(losses, dtype=torch.bool)
    require_some(counted, reduction)
    return losses.sum() / counted.expand_as(losses).sum()


def require_some(counted: Tensor, reduction: str) -> None:
    """Refuse a mean over nothing.

    Raises:
        DataError: If nothing counts.
    """
    if reduction == "mean" and not bool(counted.any()):
        raise DataError(
            f"every one of the {counted.numel()} targets is masked, so the loss is undefined; "
            "leave such batches out"
        )


def check(outputs: Tensor, targets: Tensor, reduction: str, numbers: int = 1) -> None:
    """Check names and shapes; nothing is broadcast, which would hide mistakes.

    Args:
        outputs, targets, reduction: What a cost was given.
        numbers: How many outputs a target has along the last axis; 0 where each has an axis of its
            own, of any size.

    Raises:
        ConfigError: For another reduction, or shapes that do not fit each other.
    """
    if reduction not in REDUCTIONS:
        raise ConfigError(
            f"reduction '{reduction}' is not known: {did_you_mean(reduction, REDUCTIONS)}"
        )
    *first, last = targets.shape or (1,)
    if numbers == 0:
        fits, accepted = outputs.shape[:-1] == targets.shape, [*first, last, "V"]
    else:
        accepted = [*first, numbers * last]
        fits = list(outputs.shape) == accepted
    if not fits:
        raise ConfigError(
            f"outputs have shape {tuple(outputs.shape)} and targets {tuple(targets.shape)}, but "
            f"these targets need outputs of shape ({', '.join(map(str, accepted))})"
        )
