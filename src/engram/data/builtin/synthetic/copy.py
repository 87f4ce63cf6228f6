"""The copy problem: say ten symbols again after a long time."""

import math

import torch
from torch import Tensor

from engram.errors import ConfigError

SYMBOLS = 8  # tokens 1 to 8; 0 is the blank, 9 asks for the copy
LENGTH = 10
BLANK, ASK = 0, SYMBOLS + 1


def copy(lag: int, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw sequences of the copy problem, as in Arjovsky, Shah, Bengio (2016).

    Ten symbols of eight, lag - 1 blanks, a token that asks, and ten blanks are read; lag + 10
    blanks and then the ten symbols are to be said. (The memory problem of Hochreiter and
    Schmidhuber 1997, experiment 5, is its ancestor.)

    Without memory, the best is to say blanks and then any symbol, at a mean cross-entropy of
    10·ln 8 / (lag + 20) (`copy_baseline`); the paper shows the cross-entropy going below. The share
    of symbols that come back right is `recalled`.

    Args:
        lag: T, from the last symbol read to the first said, at least 1.
        count: B.
        generator: Source of everything random.

    Returns:
        Tokens read and tokens to be said, ``(T + 20, B)`` int64 each, out of 10.

    Raises:
        ConfigError: For a lag below 1.
    """
    if lag < 1:
        raise ConfigError(f"the lag of the copy problem is {lag}; it must be at least 1")
    symbols = torch.randint(1, SYMBOLS + 1, (LENGTH, count), generator=generator)
    read = torch.full((lag + 2 * LENGTH, count), BLANK)
    said = read.clone()
    read[:LENGTH] = symbols
    read[LENGTH + lag - 1] = ASK
    said[-LENGTH:] = symbols
    return read, said


def copy_baseline(lag: int) -> float:
    """The mean cross-entropy without memory, in nats per step."""
    return LENGTH * math.log(SYMBOLS) / (lag + 2 * LENGTH)


def recalled(scores: Tensor, said: Tensor) -> float:
    """The share of the ten symbols that have the highest score; scores ``(T + 20, B, 10)``."""
    return float((scores[-LENGTH:].argmax(dim=2) == said[-LENGTH:]).double().mean())
