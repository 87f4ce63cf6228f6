"""NARMA10: a nonlinear moving average of order ten."""

import torch
from torch import Tensor

from engram.errors import ConfigError

_ORDER = 10
_BOUND = 10.0  # a series that gets so far never comes back
_DRAWS = 100  # of a series, at most; of those with 1,000 steps, 0.6 % leave all bounds


def narma10(steps: int, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw series of the tenth-order system of Atiya and Parlos (2000).

    y(t+1) = 0.3 y(t) + 0.05 y(t) Σ_{i=0…9} y(t-i) + 1.5 u(t-9) u(t) + 0.1, with u from U(0, 0.5);
    "New results on recurrent network training: unifying the algorithms and accelerating
    convergence". All is zero before the first step. Some inputs drive the system out of all bounds;
    these series are drawn again.

    Args:
        steps: T, at least 1.
        count: B.
        generator: Source of everything random.

    Returns:
        Inputs u(t) and what is to be predicted from those up to there, y(t+1); ``(T, B)`` float32.

    Raises:
        ConfigError: For no steps, or too many for series to stay within bounds.
    """
    if steps < 1:
        raise ConfigError(f"steps is {steps}; NARMA10 needs at least 1")
    inputs = _drawn(steps, count, generator)
    values = _driven(inputs)
    for _ in range(_DRAWS):
        lost = ~(values.abs() < _BOUND).all(dim=0)
        if not bool(lost.any()):
            return inputs.float(), values.float()
        fresh = _drawn(steps, int(lost.sum()), generator)
        inputs[:, lost], values[:, lost] = fresh, _driven(fresh)
    raise ConfigError(
        f"hardly any inputs keep NARMA10 bounded for {steps:,} steps; use fewer steps"
    )


def _drawn(steps: int, count: int, generator: torch.Generator) -> Tensor:
    return 0.5 * torch.rand(steps, count, generator=generator, dtype=torch.float64)


def _driven(inputs: Tensor) -> Tensor:
    """The values y(1) to y(T) that inputs ``(T, B)`` drive the system to."""
    steps, count = inputs.shape
    before = inputs.new_zeros(_ORDER - 1, count)
    u = torch.cat([before, inputs])  # u[t + 9] is u(t)
    y = inputs.new_zeros(steps + _ORDER, count)  # y[t + 9] is y(t)
    for t in range(steps):
        past = y[t : t + _ORDER]
        now = past[-1]
        y[t + _ORDER] = 0.3 * now + 0.05 * now * past.sum(0) + 1.5 * u[t] * u[t + 9] + 0.1
    return y[_ORDER:]


def nrmse(predictions: Tensor, targets: Tensor) -> float:
    """The root of the mean squared error, over the standard deviation of the targets.

    Args:
        predictions, targets: Of one shape; to say the mean always has 1.
    """
    error = (predictions - targets).double().square().mean()
    return float((error / targets.double().var(correction=0)).sqrt())
