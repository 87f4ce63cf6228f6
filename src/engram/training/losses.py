"""Cost functions by name, right under masks.

Each is called as ``cost(outputs, targets, *, lengths=None, mask=None, reduction="mean")``:

- outputs, targets: Of one shape that begins with ``(T, B)``, or with ``(B,)`` for one target a row,
  unless a cost says otherwise.
- lengths: Valid steps of each row, ``(B,)``, or None for all.
- mask: Bool, True where an entry counts, shaped like the targets or like their first axes, or None
  for all. With missing targets: ``~targets.isnan()``.
- reduction: ``"mean"`` over the entries that count, ``"sum"`` of them, or ``"none"``: each, zero
  where it does not count.

What does not count touches neither cost nor gradient, whatever stands there, NaN too. Shapes that
do not fit are a ConfigError, and a mean over nothing, which would be NaN, is a DataError.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from engram.data.batching.lanes import IGNORED
from engram.errors import ConfigError, did_you_mean
from engram.training.masking import (
    Cost,
    Lengths,
    check,
    over_entries,
    reduced,
    require_some,
    what_counts,
)


def cross_entropy(
    outputs: Tensor,
    targets: Tensor,
    *,
    lengths: Lengths = None,
    mask: Tensor | None = None,
    reduction: str = "mean",
    smoothing: float = 0.0,
) -> Tensor:
    """Negative log-likelihood of the targets in nats, over the steps that ask for one.

    With label smoothing the target is (1 - ε)·onehot(y) + ε/V, so that the model is not driven to
    be ever surer (Szegedy et al. 2016, "Rethinking the Inception Architecture").

    Args:
        outputs: Scores before softmax, ``(T, B, V)``, or ``(B, V)`` for one target a row.
        targets: ``(T, B)`` or ``(B,)`` int64; -100 where nothing is asked.
        lengths, mask, reduction: See the module.
        smoothing: ε of label smoothing: the target is (1 - ε)·onehot(y) + ε/V, so that the model is
            not driven to be ever surer (Szegedy et al. 2016, "Rethinking the Inception
            Architecture").
    """
    check(outputs, targets, reduction, numbers=0)
    counted = what_counts(targets, lengths, mask)
    if counted is not None:
        targets = targets.masked_fill(~counted, IGNORED)
    flat, rows = targets.reshape(-1), outputs.reshape(targets.numel(), -1)
    ignored = flat == IGNORED
    if bool(ignored.any()):
        require_some(~ignored, reduction)
        rows = rows.masked_fill(ignored.unsqueeze(1), 0.0)  # NaN there would reach the gradient
    loss = functional.cross_entropy(
        rows, flat, ignore_index=IGNORED, reduction=reduction, label_smoothing=smoothing
    )
    return loss.view_as(targets) if reduction == "none" else loss


def binary_cross_entropy(
    outputs: Tensor,
    targets: Tensor,
    *,
    lengths: Lengths = None,
    mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of several labels a step, each there or not, in nats per step.

    −Σ_n [y_n ln σ(ŷ_n) + (1 − y_n) ln(1 − σ(ŷ_n))], summed over the labels of a step: the figure
    that is given for polyphonic music, where the labels are the notes of a piano roll
    (Boulanger-Lewandowski et al. 2012).

    Args:
        outputs: Before the sigmoid, ``(T, B, N)``, or ``(B, N)`` for one set of labels a row.
        targets: The same shape, 0 or 1, of any dtype.
        lengths, reduction: See the module; ``"mean"`` is over steps, ``"none"`` gives ``(T, B)``.
        mask: ``(T, B)`` or ``(B,)`` bool, True where a step counts; or None for all.
    """
    check(outputs, targets, reduction)
    counted = what_counts(targets[..., 0], lengths, mask)
    targets = targets.to(outputs.dtype)
    if counted is not None:
        outputs, targets = (x.masked_fill(~counted.unsqueeze(-1), 0.0) for x in (outputs, targets))
    labels = functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
    return reduced(labels.sum(-1), counted, reduction)


@over_entries()
def quadratic(outputs: Tensor, targets: Tensor) -> Tensor:
    """The quadratic cost C = ½(ŷ − y)², whose gradient is ∂C/∂ŷ = ŷ − y.

    C is strictly convex in the output ŷ (its second derivative is 1), so over outputs its minimum
    is global and unique: for one target ŷ = y with C = 0, and in expectation over the targets that
    go with an input x, ŷ(x) = E[y | x], the conditional mean, where it is half the conditional
    variance. In the weights of a network it is not convex. Arguments: see the module.
    """
    return 0.5 * (outputs - targets).square()


@over_entries()
def mean_squared(outputs: Tensor, targets: Tensor) -> Tensor:
    """The squared error (ŷ − y)², twice the quadratic cost. Arguments: see the module."""
    return (outputs - targets).square()


@over_entries()
def absolute(outputs: Tensor, targets: Tensor) -> Tensor:
    """The absolute error |ŷ − y|, least at a conditional median. Arguments: see the module."""
    return (outputs - targets).abs()


@over_entries()
def huber(outputs: Tensor, targets: Tensor, *, delta: float = 1.0) -> Tensor:
    """Huber's cost: quadratic for errors up to δ, and linear, δ(|ŷ − y| − δ/2), beyond.

    Huber 1964, "Robust estimation of a location parameter". Arguments: see the module; ``delta``
    is δ.
    """
    return functional.huber_loss(outputs, targets, reduction="none", delta=delta)


@over_entries()
def pinball(outputs: Tensor, targets: Tensor, *, levels: Tensor | float = 0.5) -> Tensor:
    """The cost max(q e, (q − 1) e) of e = y − ŷ, least at the conditional q-quantile.

    Koenker and Bassett 1978, "Regression Quantiles". Arguments: see the module; ``levels`` are q,
    each over 0 and under 1, broadcast along the last axes of the targets.
    """
    errors = targets - outputs
    return torch.maximum(levels * errors, (levels - 1.0) * errors)


@over_entries()
def poisson(outputs: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of counts y under a Poisson law with rate e^ŷ, in nats.

    e^ŷ − y ŷ + ln y!. Arguments: see the module.
    """
    return torch.exp(outputs) - targets * outputs + torch.lgamma(targets + 1.0)


@over_entries(numbers=2)
def gaussian(outputs: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood under a normal law whose mean and variance are predicted, in nats.

    ½(ln 2π + s + (y − μ)² e^−s) (Nix and Weigend 1994). Arguments: see the module; for targets
    ``(…, O)`` outputs are ``(…, 2·O)``: the means μ, then the logarithms s of the variances.
    """
    means, logs = outputs.chunk(2, dim=-1)
    return 0.5 * (math.log(2 * math.pi) + logs + (targets - means).square() * torch.exp(-logs))


COSTS: dict[str, Cost] = {
    "absolute": absolute,
    "binary-cross-entropy": binary_cross_entropy,
    "cross-entropy": cross_entropy,
    "gaussian": gaussian,
    "huber": huber,
    "mean-squared": mean_squared,
    "poisson": poisson,
    "quadratic": quadratic,
}


def cost_by_name(name: str) -> Cost:
    """The cost function of a name in `COSTS`.

    Raises:
        ConfigError: For another name.
    """
    if name not in COSTS:
        raise ConfigError(f"cost '{name}' is not known: {did_you_mean(name, COSTS)}")
    return COSTS[name]
