"""Masks: a cell wrapped with zoneout and recurrent dropout, and the masks it draws."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engram.cells import RecurrentDropout, Zoneout
from engram.cells.base import Cell
from engram.errors import ConfigError
from engram.layers.shard import drawn_by_row

# The number of values of a 16-bit number.
_LEVELS = 1 << 16


@dataclass(frozen=True)
class Masking:
    """The cells that a layer runs with zoneout and recurrent dropout, and their masks.

    Attributes:
        training: The cell used in training, which reads the masks.
        evaluation: The cell used in evaluation, which uses their means and has no masks.
        zoneout: By state, the probability that a unit keeps it at a step.
        recurrent_dropout: The probability that a candidate is dropped.
    """

    training: Cell
    evaluation: Cell
    zoneout: Mapping[str, float]
    recurrent_dropout: float

    def draw(self, x: Tensor, hidden: int) -> dict[str, Tensor]:
        """Draw masks for a sequence ``(T, B, ·)``, ``(T, B, H)`` each, by name."""
        shape = x.shape[0], x.shape[1], hidden
        masks = {f"zone_{name}": draw(x, shape, p) for name, p in self.zoneout.items() if p}
        if self.recurrent_dropout:
            kept = 1.0 - self.recurrent_dropout
            masks["drop"] = draw(x, shape, kept).mul_(1.0 / kept)
        return masks


def masking(
    cell: Cell, zoneout: float | Mapping[str, float] = 0.0, recurrent_dropout: float = 0.0
) -> Masking:
    """Make the cells for training and evaluation.

    Args:
        cell: The cell to wrap.
        zoneout: Probability for all states, or by state; see `Zoneout`.
        recurrent_dropout: Probability for the candidate; see `RecurrentDropout`.

    Raises:
        ConfigError: For probabilities outside [0, 1), or one that is not defined for the cell.
    """
    faults = obstacles(cell, zoneout, recurrent_dropout)
    if faults:
        raise ConfigError("; ".join(faults))
    by_state = _by_state(cell, zoneout)
    training = RecurrentDropout(cell) if recurrent_dropout else cell
    evaluation = cell
    if any(by_state.values()):
        training = Zoneout(training, by_state)
        evaluation = Zoneout(cell, by_state, expected=True)
    return Masking(training, evaluation, by_state, float(recurrent_dropout))


def obstacles(
    cell: Cell, zoneout: float | Mapping[str, float], recurrent_dropout: float
) -> list[str]:
    """List why a cell cannot have this zoneout and recurrent dropout, one sentence each."""
    faults = []
    if cell.masks:
        faults.append(
            f"{cell!r} reads the masks {', '.join(cell.masks)}, and a layer only draws those "
            "of its own settings; give it the unwrapped cell, with zoneout= or recurrent_dropout="
        )
    try:
        Zoneout(cell, _by_state(cell, zoneout))
    except ConfigError as fault:
        faults.append(str(fault))
    if not 0.0 <= recurrent_dropout < 1.0:
        faults.append(
            f"recurrent_dropout is {recurrent_dropout!r}; it takes a probability from 0 to below 1"
        )
    elif recurrent_dropout:
        try:
            RecurrentDropout(cell)
        except ConfigError as fault:
            faults.append(str(fault))
    return faults


def _by_state(cell: Cell, zoneout: float | Mapping[str, float]) -> dict[str, float]:
    return dict(zoneout) if isinstance(zoneout, Mapping) else dict.fromkeys(cell.states, zoneout)


def draw(like: Tensor, shape: tuple[int, ...], probability: float) -> Tensor:
    """Draw Bernoulli ones and zeros with a tensor's dtype, on its device.

    Four values are made from each number that torch's generator draws, which takes a fifth of the
    time of ``Tensor.bernoulli_``; the probability is rounded to the nearest multiple of 2⁻¹⁶.
    """
    numbers = drawn_by_row(shape, 1, lambda whole: _numbers(like, whole))
    below = min(round(probability * _LEVELS), _LEVELS - 1) - _LEVELS // 2
    return torch.lt(numbers, below, out=torch.empty(shape, dtype=like.dtype, device=like.device))


def _numbers(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Draw 16-bit integers."""
    count = math.prod(shape)
    bits = torch.randint(
        -(2**63), 2**63 - 1, (-(-count // 4),), dtype=torch.int64, device=like.device
    )
    return bits.view(torch.int16)[:count].view(shape)
