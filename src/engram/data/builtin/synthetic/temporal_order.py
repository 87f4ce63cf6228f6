"""Temporal order: in which order did the symbols that matter come?"""

import torch
from torch import Tensor

from engram.errors import ConfigError

# Where the symbols that matter stand, in tenths of the sequence, by how many there are.
PLACES = {2: (1, 4), 3: (1, 3, 6)}
SYMBOLS = 6  # A and B matter, four others do not


def temporal_order(
    steps: int, count: int, generator: torch.Generator, *, symbols: int = 2
) -> tuple[Tensor, Tensor]:
    """Draw sequences of the temporal order problem, with the protocol of Pascanu et al. (2013).

    Two symbols, each A or B, stand in T/10 to 2T/10 and in 4T/10 to 5T/10; the other steps hold
    symbols of four that say nothing. The class at the end is the order: AA, AB, BA or BB. With
    three, they stand from T/10, 3T/10 and 6T/10 on, a tenth wide each, and there are eight classes
    (experiments 6a and 6b of Hochreiter and Schmidhuber 1997, who place them by absolute steps).

    Pascanu, Mikolov, Bengio count a network as successful that has fewer than 1 % of 10,000
    sequences wrong (`wrong_orders`).

    Args:
        steps: T, at least 10.
        count: B.
        generator: Source of everything random.
        symbols: How many matter: 2 or 3.

    Returns:
        Inputs ``(T, B, 6)``, one-hot, and classes ``(B,)`` int64.

    Raises:
        ConfigError: For fewer than 10 steps, or another number of symbols.
    """
    if symbols not in PLACES:
        raise ConfigError(f"symbols is {symbols}; temporal order accepts 2 or 3")
    if steps < 10:
        raise ConfigError(
            f"steps is {steps}, but temporal order places symbols by tenths; give at least 10"
        )
    tenth, rows = steps // 10, torch.arange(count)
    tokens = torch.randint(2, SYMBOLS, (steps, count), generator=generator)
    classes = torch.zeros(count, dtype=torch.int64)
    for place in PLACES[symbols]:
        at = place * steps // 10 + torch.randint(tenth, (count,), generator=generator)
        which = torch.randint(2, (count,), generator=generator)
        tokens[at, rows] = which
        classes = 2 * classes + which
    return torch.nn.functional.one_hot(tokens, SYMBOLS).float(), classes


def wrong_orders(scores: Tensor, classes: Tensor) -> float:
    """The share of sequences whose highest score is another class; scores ``(B, classes)``."""
    return float((scores.argmax(dim=1) != classes).double().mean())
