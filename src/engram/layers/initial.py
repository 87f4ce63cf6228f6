"""Shapes and initial values of a recurrent layer's weights."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from engram.cells.base import Cell
from engram.errors import ConfigError, did_you_mean


def weight_shapes(cell: Cell, size_in: int, hidden: int, bias: bool) -> dict[str, tuple[int, ...]]:
    """The weights of one layer in one direction, by role, in torch's order."""
    blocks = len(cell.gates) * hidden
    shapes: dict[str, tuple[int, ...]] = {
        "weight_ih": (blocks, size_in),
        "weight_hh": (blocks, len(cell.recurrent) * hidden),
    }
    if bias:
        shapes |= {"bias_ih": (blocks,), "bias_hh": (blocks,)}
    return shapes | dict.fromkeys(cell.weights, (hidden,))


def uniform(weights: Mapping[str, Tensor], hidden: int, scale: float | None = None) -> None:
    """Draw every weight from U(-s, s), with s = 1/√H as in torch.nn, or the given scale."""
    bound = 1.0 / math.sqrt(hidden) if scale is None else scale
    for weight in weights.values():
        torch.nn.init.uniform_(weight, -bound, bound)


def orthogonal(weights: Mapping[str, Tensor], hidden: int) -> None:
    """Make each gate's recurrent block orthogonal, input weights Xavier uniform, biases zero.

    An orthogonal matrix keeps the norm of what it multiplies, forward and backward (Saxe et al.
    2014, "Exact solutions to the nonlinear dynamics of learning in deep linear networks").
    """
    for name, weight in weights.items():
        if name.startswith("weight_hh"):
            for block in weight.split(hidden):
                torch.nn.init.orthogonal_(block)
        elif name.startswith("weight_ih"):
            for block in weight.split(hidden):
                torch.nn.init.xavier_uniform_(block)
        else:
            torch.nn.init.zeros_(weight)


INITIALISATIONS: dict[str, Callable[[Mapping[str, Tensor], int], None]] = {
    "uniform": uniform,
    "orthogonal": orthogonal,
}


@torch.no_grad()
def initialise(
    cell: Cell,
    weights: Mapping[str, Tensor],
    hidden: int,
    init: str,
    forget_bias: float | None,
) -> None:
    """Set the weights of one layer in one direction to their initial values.

    Args:
        cell: The equations.
        weights: Parameters by role: ``weight_ih``, ``weight_hh``, ``bias_ih``, ``bias_hh`` and the
            cell's per-unit weights.
        hidden: H.
        init: A name in `INITIALISATIONS`.
        forget_bias: The *effective* bias of the forget gate, or None to leave it. torch keeps two
            biases for each gate, which add up; this sets the first to the value, the second to 0.
            Where a cell normalises these away, its ``forget_shift`` is set instead.

    Raises:
        ConfigError: For an unknown name, or a forget bias where there is no such gate or bias.
    """
    if init not in INITIALISATIONS:
        raise ConfigError(f"init '{init}' is not known: {did_you_mean(init, INITIALISATIONS)}")
    INITIALISATIONS[init](weights, hidden)
    for name, value in cell.initial_weights.items():
        weights[name].fill_(value)
    if forget_bias is None:
        return
    if cell.forget_gate is None:
        raise ConfigError(
            f"forget_bias={forget_bias} was given, but {type(cell).__name__} has no forget gate; "
            "leave it out"
        )
    if cell.forget_shift is not None:
        weights[cell.forget_shift].fill_(forget_bias)
        return
    if "bias_ih" not in weights:
        raise ConfigError(f"forget_bias={forget_bias} needs biases; leave it out or set bias=True")
    start = cell.gates.index(cell.forget_gate) * hidden
    weights["bias_ih"][start : start + hidden] = forget_bias
    weights["bias_hh"][start : start + hidden] = 0.0
