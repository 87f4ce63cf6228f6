"""The latch: keep one bit against noise."""

import torch
from torch import Tensor

from engram.errors import ConfigError


def latch(
    steps: int, count: int, generator: torch.Generator, *, informed: int = 3, noise: float = 0.2
) -> tuple[Tensor, Tensor]:
    """Draw noise and classes of the latching problem of Bengio, Simard, Frasconi (1994).

    A single unit h_t = tanh(w·h_{t-1} + u_t) must say at the end which of two classes a sequence
    is of: h_T > 0 for the one, h_T < 0 for the other. The class shows in the first L steps alone,
    where u_t is a number for each class and step that is learnt; after them u_t is noise from
    N(0, s²). The paper takes L = 3, s = 0.2, starts w at 1.25, learns w and the 2·L numbers by
    gradient descent on (h_T - d)²/2 with d = ±0.8, and shows by T how often that succeeds.

    Args:
        steps: T, at least L.
        count: B.
        generator: Source of everything random.
        informed: L.
        noise: s.

    Returns:
        Noise ``(T, B)``, zero in the first L steps, and classes ``(B,)`` int64, 0 or 1.

    Raises:
        ConfigError: For fewer steps than L.
    """
    if steps < informed:
        raise ConfigError(
            f"steps is {steps}, but the class is shown in the first {informed}; use more steps"
        )
    disturbance = noise * torch.randn(steps, count, generator=generator)
    disturbance[:informed] = 0.0
    return disturbance, torch.randint(2, (count,), generator=generator)


def latched(final: Tensor, classes: Tensor) -> float:
    """The share of sequences whose final state ``(B,)`` has the sign of its class."""
    return float(((final > 0.0) == (classes == 1)).double().mean())
