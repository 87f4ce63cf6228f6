"""Dyck languages of bounded depth: close brackets of several kinds in the right order."""

import torch
from torch import Tensor

from engram.errors import ConfigError


def dyck(
    steps: int, count: int, generator: torch.Generator, *, kinds: int = 2, depth: int = 4
) -> tuple[Tensor, Tensor]:
    """Draw strings of Dyck-(k, m): well nested brackets of k kinds, never deeper than m.

    The language is that of Hewitt, Hahn, Ganguli, Liang, Manning (2020), "RNNs can generate bounded
    hierarchical languages with optimal memory". As there, a bracket is opened or closed with
    probability 1/2 each, and its kind is uniform; at depth 0 one must be opened, and at depth m
    closed. Here all strings have T brackets: where just as many steps are left as brackets are
    open, these are closed.

    Which bracket is opened, and when, cannot be known; that of which kind is closed can
    (`rightly_closed`).

    Args:
        steps: T, even, at least 2.
        count: B.
        generator: Source of everything random.
        kinds: k, at least 1.
        depth: m, at least 1.

    Returns:
        Brackets ``(T, B)`` int64, opening ones of 0 to k - 1 and closing ones of k to 2·k - 1; and
        how many steps before each closing one its partner stands, ``(T, B)``, 0 at opening ones.

    Raises:
        ConfigError: For an odd number of steps, and numbers that are too small.
    """
    if steps < 2 or steps % 2:
        raise ConfigError(f"steps is {steps}, but brackets come in pairs; give an even number")
    if kinds < 1 or depth < 1:
        raise ConfigError(f"kinds is {kinds} and depth is {depth}; both must be at least 1")
    rows = torch.arange(count)
    height = torch.zeros(count, dtype=torch.int64)
    kind, place = torch.zeros(2, depth, count, dtype=torch.int64)  # of what is open
    brackets, distances = [], []
    for step in range(steps):
        opens = torch.rand(count, generator=generator) < 0.5
        drawn = torch.randint(kinds, (count,), generator=generator)
        must_close = (height == depth) | (height == steps - step)
        opens = (opens | (height == 0)) & ~must_close
        top = torch.where(opens, height, height - 1)
        kind[top, rows] = torch.where(opens, drawn, kind[top, rows])
        place[top, rows] = torch.where(opens, step, place[top, rows])
        brackets.append(torch.where(opens, drawn, kinds + kind[top, rows]))
        distances.append(step - place[top, rows])
        height += torch.where(opens, 1, -1)
    return torch.stack(brackets), torch.stack(distances)


def rightly_closed(scores: Tensor, brackets: Tensor) -> Tensor:
    """Where, of the closing brackets alone, the one that comes has the highest score.

    Args:
        scores: ``(T, B, 2·k)``.
        brackets: Those that come, ``(T, B)``.

    Returns:
        ``(T, B)`` bool; False at opening ones.
    """
    kinds = scores.shape[2] // 2
    return scores[..., kinds:].argmax(dim=2) == brackets - kinds
