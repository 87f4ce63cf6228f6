"""Shapes and initial values of a recurrent layer's weights."""

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from engram.cells.base import Cell
from engram.errors import ConfigError, did_you_mean

_LINKS = 15  # recurrent connections of a unit in `sparse`


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


def normal(weights: Mapping[str, Tensor], hidden: int, scale: float | None = None) -> None:
    """Draw input and recurrent weights from N(0, s²), biases zero; s = 0.1 unless given.

    With 0.1 these are the weights of the "basic tanh" network of Pascanu, Mikolov, Bengio (2013).
    """
    std = 0.1 if scale is None else scale
    _zero_others(weights)
    for name in ("weight_ih", "weight_hh"):
        torch.nn.init.normal_(weights[name], 0.0, std)


def xavier(weights: Mapping[str, Tensor], hidden: int, scale: float | None = None) -> None:
    """Draw each gate's blocks from U(-b, b) with b = s·√(6 / (fan-in + fan-out)), biases zero.

    It keeps the variance of activations and of gradients from one layer to the next (Glorot and
    Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks");
    s = 1 unless given.
    """
    gain = 1.0 if scale is None else scale
    _zero_others(weights)
    _xavier_inputs(weights, hidden, gain)
    for block in _recurrent_blocks(weights, hidden):
        torch.nn.init.xavier_uniform_(block, gain)


def orthogonal(weights: Mapping[str, Tensor], hidden: int, scale: float | None = None) -> None:
    """Make each gate's recurrent block s·Q with QᵀQ = I, input weights Xavier, biases zero.

    An orthogonal matrix keeps the norm of what it multiplies, forward and backward (Saxe et al.
    2014, "Exact solutions to the nonlinear dynamics of learning in deep linear networks"); s = 1
    unless given.
    """
    _zero_others(weights)
    _xavier_inputs(weights, hidden)
    for block in weights["weight_hh"].split(hidden):
        torch.nn.init.orthogonal_(block, 1.0 if scale is None else scale)


def identity(weights: Mapping[str, Tensor], hidden: int, scale: float | None = None) -> None:
    """Make each recurrent block s·I, input weights N(0, 0.001²), biases zero.

    With relu this is the IRNN: a unit keeps its state until the input changes it (Le, Jaitly,
    Hinton 2015, "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units"). s = 1
    unless given; the paper uses 0.01 if no long memory is needed.
    """
    _zero_others(weights)
    torch.nn.init.normal_(weights["weight_ih"], 0.0, 0.001)
    for block in _recurrent_blocks(weights, hidden):
        block.zero_().fill_diagonal_(1.0 if scale is None else scale)


def spectral(weights: Mapping[str, Tensor], hidden: int, scale: float | None = None) -> None:
    """Scale each random recurrent block to a spectral radius: W ← W·s / max|λ(W)|.

    Near 1, states fade slowly and do not grow (Jaeger 2001, "The echo state approach to analysing
    and training recurrent neural networks"); s = 0.95 unless given. Entries are normal before
    scaling; input weights Xavier, biases zero.
    """
    _zero_others(weights)
    _xavier_inputs(weights, hidden)
    for block in _recurrent_blocks(weights, hidden):
        torch.nn.init.normal_(block)
        _scale_radius(block, 0.95 if scale is None else scale)


def sparse(weights: Mapping[str, Tensor], hidden: int, scale: float | None = None) -> None:
    """Give each unit 15 normal recurrent connections, scaled to a spectral radius of s.

    Input weights are N(0, 0.01²), biases zero, and s = 0.95 unless given: the "smart tanh" network
    of Pascanu, Mikolov, Bengio (2013), with the sparse connections of Martens (2010).
    """
    _zero_others(weights)
    torch.nn.init.normal_(weights["weight_ih"], 0.0, 0.01)
    for block in _recurrent_blocks(weights, hidden):
        torch.nn.init.normal_(block)
        ranks = (
            torch.rand_like(block).argsort(dim=1).argsort(dim=1)
        )  # of the connections of each unit
        block.mul_(ranks < _LINKS)
        _scale_radius(block, 0.95 if scale is None else scale)


INITIALISATIONS: dict[str, Callable[[Mapping[str, Tensor], int, float | None], None]] = {
    "uniform": uniform,
    "normal": normal,
    "xavier": xavier,
    "orthogonal": orthogonal,
    "identity": identity,
    "spectral": spectral,
    "sparse": sparse,
}
# These define a property of the recurrent matrix that other weights cannot have.
_OF_RECURRENT = ("identity", "spectral", "sparse")


def obstacles(
    cell: Cell,
    init: str,
    *,
    scale: float | None = None,
    forget_bias: float | None = None,
    chrono: int | None = None,
    bias: bool = True,
) -> list[str]:
    """List the faults of these settings, one sentence each; arguments as in `initialise`.

    Args:
        bias: Whether the layer has biases.
    """
    kind = type(cell).__name__
    faults = []
    if init not in INITIALISATIONS:
        faults.append(f"init '{init}' is not known: {did_you_mean(init, INITIALISATIONS)}")
    if init in _OF_RECURRENT and not cell.recurrent:
        faults.append(
            f"init '{init}' shapes the recurrent matrix, and {kind} has none; use init 'xavier'"
        )
    if scale is not None and not (math.isfinite(scale) and scale > 0.0):
        faults.append(f"init_scale is {scale}; it takes a number above 0")
    for name, value in {"forget_bias": forget_bias, "chrono": chrono}.items():
        if value is None:
            continue
        if cell.forget_gate is None:
            faults.append(f"{name}={value} was given, but {kind} has no forget gate; leave it out")
        elif not bias and cell.forget_shift is None:
            faults.append(f"{name}={value} needs biases; leave it out or set bias=True")
    if chrono is not None and chrono < 2:
        faults.append(f"chrono is {chrono}; it takes the longest lag in steps, 2 or more")
    if chrono is not None and forget_bias is not None:
        faults.append(
            f"chrono={chrono} and forget_bias={forget_bias} both set the forget gate's bias; "
            "leave one out"
        )
    return faults


@torch.no_grad()
def initialise(
    cell: Cell,
    weights: Mapping[str, Tensor],
    hidden: int,
    init: str,
    *,
    scale: float | None = None,
    forget_bias: float | None = None,
    chrono: int | None = None,
) -> None:
    """Set the weights of one layer in one direction to their initial values.

    torch has two biases per gate, which add up; if a gate's bias is set, the first gets the value
    and the second 0, so that the value is the *effective* bias. If a cell normalises biases away,
    the shift after the norm is set instead.

    Args:
        cell: The equations.
        weights: Parameters by role: ``weight_ih``, ``weight_hh``, ``bias_ih``, ``bias_hh`` and the
            cell's per-unit weights.
        hidden: H.
        init: A name in `INITIALISATIONS`.
        scale: The initialisation's scale s; None uses its default.
        forget_bias: The bias of the forget gate, or None to leave it as initialised (Gers et al.
            2000; Jozefowicz et al. 2015 recommend 1).
        chrono: The longest lag T to remember, in steps, or None: the forget gate's bias becomes
            log U(1, T - 1), drawn per unit, and the input gate's bias the negative of that, so that
            units forget at time scales from 1 to T (Tallec and Ollivier 2018, "Can recurrent neural
            networks warp time?"). If the forget gate also closes the input, as in a GRU, its bias
            does both.

    Raises:
        ConfigError: For an unknown name, or a setting whose gate or bias the cell does not have.
    """
    faults = obstacles(
        cell,
        init,
        scale=scale,
        forget_bias=forget_bias,
        chrono=chrono,
        bias="bias_ih" in weights,
    )
    if faults:
        raise ConfigError("; ".join(faults))
    INITIALISATIONS[init](weights, hidden, scale)
    for name, number in cell.initial_weights.items():
        weights[name].fill_(number)

    def shift(role: str, value: float | Tensor) -> None:
        gate, weight = getattr(cell, f"{role}_gate"), getattr(cell, f"{role}_shift")
        if weight is not None:
            weights[weight].copy_(torch.as_tensor(value))
        elif gate is not None:
            _set_bias(cell, weights, hidden, gate, value)

    if forget_bias is not None:
        shift("forget", forget_bias)
    if chrono is not None:
        lags = weights["weight_hh"].new_empty(hidden).uniform_(1.0, chrono - 1.0)
        shift("forget", lags.log())
        shift("write", -lags.log())


def _set_bias(
    cell: Cell, weights: Mapping[str, Tensor], hidden: int, gate: str, value: float | Tensor
) -> None:
    start = cell.gates.index(gate) * hidden
    weights["bias_ih"][start : start + hidden] = value
    weights["bias_hh"][start : start + hidden] = 0.0


def _recurrent_blocks(weights: Mapping[str, Tensor], hidden: int) -> Iterator[Tensor]:
    """The ``(H, H)`` blocks of the recurrent matrix, one per gate and state that feeds it."""
    for rows in weights["weight_hh"].split(hidden):
        if rows.shape[1]:
            yield from rows.split(hidden, dim=1)


def _xavier_inputs(weights: Mapping[str, Tensor], hidden: int, gain: float = 1.0) -> None:
    for block in weights["weight_ih"].split(hidden):
        torch.nn.init.xavier_uniform_(block, gain)


def _zero_others(weights: Mapping[str, Tensor]) -> None:
    """Set biases and per-unit weights to zero."""
    for name, weight in weights.items():
        if name not in ("weight_ih", "weight_hh"):
            torch.nn.init.zeros_(weight)


def _scale_radius(block: Tensor, radius: float) -> None:
    """Scale a block in place to this spectral radius."""
    block.mul_(radius / torch.linalg.eigvals(block.double()).abs().max())


def unconnected_entries(
    cell: Cell, hidden: int, device: torch.device | str | None = None
) -> Tensor | None:
    """``(G·H, R·H)`` bool: the recurrent weights that a cell keeps at zero; None where it has none.

    Args:
        cell: Which declares them in `Cell.unconnected`.
        hidden: H.
        device: Where the mask lies.
    """
    if not cell.unconnected:
        return None
    blocks = [
        [(gate, state) in cell.unconnected for state in cell.recurrent] for gate in cell.gates
    ]
    mask = torch.tensor(blocks, device=device)
    return mask.repeat_interleave(hidden, 0).repeat_interleave(hidden, 1)
