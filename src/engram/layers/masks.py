"""Masks: the cells that zoneout and recurrent dropout make of a cell, and what they draw."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engram.cells import RecurrentDropout, Zoneout
from engram.cells.base import Cell
from engram.errors import ConfigError
from engram.layers.shard import drawn_by_row

# What a 16-bit number can be.
_LEVELS = 1 << 16


@dataclass(frozen=True)
class Masking:
    """What a layer runs with zoneout and recurrent dropout, and the masks for it.

    Attributes:
        training: The cell while training, which reads the masks.
        evaluation: The cell otherwise, which has their means for numbers, and so no masks.
        zoneout: By state, the probability with which a unit keeps it at a step.
        recurrent_dropout: The probability with which a candidate is dropped.
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
    """The cells for training and evaluation.

    Args:
        cell: The equations as they are without.
        zoneout: For all states, or by state; see `Zoneout`.
        recurrent_dropout: Of the candidate; see `RecurrentDropout`.

    Raises:
        ConfigError: For probabilities outside [0, 1), and where one is not defined for the cell.
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
    """Why a cell cannot have this zoneout and this recurrent dropout, a sentence each."""
    faults = []
    if cell.masks:
        faults.append(
            f"{cell!r} reads the masks {', '.join(cell.masks)}, and a layer draws those of its own "
            "settings alone; give it the cell inside, with zoneout= or recurrent_dropout="
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
    """Draw ones with a probability, else zeros, of a tensor's dtype and on its device.

    Four numbers are made of each that torch's generator draws, which takes a fifth of the time of
    ``Tensor.bernoulli_``; so the probability is the nearest multiple of 2⁻¹⁶.
    """
    numbers = drawn_by_row(shape, 1, lambda whole: _numbers(like, whole))
    below = min(round(probability * _LEVELS), _LEVELS - 1) - _LEVELS // 2
    return torch.lt(numbers, below, out=torch.empty(shape, dtype=like.dtype, device=like.device))


def _numbers(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Draw whole numbers of 16 bits."""
    count = math.prod(shape)
    bits = torch.randint(
        -(2**63), 2**63 - 1, (-(-count // 4),), dtype=torch.int64, device=like.device
    )
    return bits.view(torch.int16)[:count].view(shape)
