"""The adding problem: add two marked numbers among many that are not."""

import torch
from torch import Tensor

from engram.errors import ConfigError


def adding(steps: int, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw sequences of the adding problem (Hochreiter and Schmidhuber 1997, experiment 4).

    At each step there are a number from U(0, 1) and a mark, which is 1 at two steps, one in each
    half of the sequence, and 0 elsewhere. The target at the end is the sum of the marked numbers,
    as in Le, Jaitly, Hinton (2015) and Arjovsky, Shah, Bengio (2016); in 1997 numbers came from
    U(-1, 1) and the target was 0.5 + sum/4.

    To say 1 always has a mean squared error of 1/6. A network that beats it remembers; the paper
    counts an error above 0.04 as wrong (`wrong_sums`), and later ones give the mean squared error.

    Args:
        steps: T, at least 2.
        count: B.
        generator: Source of everything random.

    Returns:
        Inputs ``(T, B, 2)``, and targets ``(B,)``.

    Raises:
        ConfigError: For fewer than two steps.
    """
    if steps < 2:
        raise ConfigError(
            f"steps is {steps}, but the adding problem marks two steps; give at least 2"
        )
    numbers = torch.rand(steps, count, generator=generator)
    half, rows = steps // 2, torch.arange(count)
    first = torch.randint(half, (count,), generator=generator)
    second = torch.randint(half, steps, (count,), generator=generator)
    marks = torch.zeros(steps, count)
    marks[first, rows] = marks[second, rows] = 1.0
    return torch.stack([numbers, marks], dim=2), numbers[first, rows] + numbers[second, rows]


def wrong_sums(predictions: Tensor, targets: Tensor) -> float:
    """The share of predictions ``(B,)`` that are off by more than 0.04."""
    return float(((predictions - targets).abs() > 0.04).double().mean())
