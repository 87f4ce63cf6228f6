"""Argument checks of a recurrent layer; each error states the shape that was given."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from engram.cells.base import Cell
from engram.errors import ConfigError

# The states of a layer, ``(L·D, B, H)`` each: one tensor, or several in the cell's order.
State = Tensor | tuple[Tensor, ...]


def checked_sizes(**sizes: int) -> None:
    """Check sizes of a layer, by their names.

    Raises:
        ConfigError: For a size that is not a whole number from 1.
    """
    for name, value in sizes.items():
        if not isinstance(value, int) or value < 1:
            raise ConfigError(f"{name} is {value!r}; it takes a whole number from 1")


def checked_probabilities(**probabilities: float) -> None:
    """Check probabilities, by their names.

    Raises:
        ConfigError: For a probability outside 0…1.
    """
    for name, value in probabilities.items():
        if not 0.0 <= value <= 1.0:
            raise ConfigError(f"{name} is {value!r}; it takes a probability from 0 to 1")


def checked_weights(
    weights: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], suffix: str
) -> None:
    """Check that weights still have their original shapes, since their data may be replaced.

    Args:
        weights: Weights of one layer in one direction, by role.
        shapes: Expected shapes, by role.
        suffix: The part of the parameter name after the role.

    Raises:
        ConfigError: For a weight of another shape.
    """
    for role, shape in shapes.items():
        if weights[role].shape != shape:
            raise ConfigError(
                f"{role}{suffix} has shape {tuple(weights[role].shape)}; this layer takes {shape}: "
                "use weights of that shape, or create a layer of the other size"
            )


def checked_input(input: Tensor, size: int, batch_first: bool, weight: Tensor) -> None:
    """Check the shape, dtype and device of an input.

    Raises:
        ConfigError: If they do not match the layer's weights.
    """
    accepted = "(B, T, I)" if batch_first else "(T, B, I)"
    if not isinstance(input, Tensor):
        raise ConfigError(f"input is a {type(input).__name__}; it takes a tensor {accepted}")
    shape = tuple(input.shape)
    if input.dim() not in (2, 3):
        raise ConfigError(
            f"input has shape {shape}; it takes {accepted}, or (T, I) without a batch"
        )
    if shape[-1] != size:
        raise ConfigError(
            f"input has shape {shape}, so {shape[-1]} features; this layer has input_size={size}"
        )
    if 0 in shape:
        raise ConfigError(
            f"input has shape {shape}, which has an axis of size 0; leave empty input out"
        )
    if input.dtype != weight.dtype and not torch.is_autocast_enabled(input.device.type):
        raise ConfigError(
            f"input is {input.dtype} and the weights are {weight.dtype}; "
            f"convert one, for example input.to({weight.dtype})"
        )
    if input.device != weight.device:
        raise ConfigError(
            f"input is on {input.device} and the weights on {weight.device}; move one with .to()"
        )


def checked_lengths(lengths: Tensor | Sequence[int], input: Tensor) -> Tensor:
    """Return lengths as ``(B,)`` int64 on the input's device; input is ``(T, B, I)``.

    Raises:
        ConfigError: For a wrong count, or a length outside 1…T.
    """
    steps, batch = input.shape[0], input.shape[1]
    given = torch.as_tensor(lengths)
    if given.dim() != 1 or given.shape[0] != batch or given.is_floating_point():
        raise ConfigError(
            f"lengths has shape {tuple(given.shape)} and {given.dtype}; it takes one whole number "
            f"for each of the {batch} rows"
        )
    given = given.to(device=input.device, dtype=torch.int64)
    if torch.compiler.is_compiling():  # values are not known yet; the operator checks them
        return given
    wrong = ((given < 1) | (given > steps)).nonzero().flatten().tolist()
    if wrong:
        row = wrong[0]
        raise ConfigError(
            f"lengths[{row}] is {int(given[row])}; a row takes 1 to T={steps} steps: "
            "leave empty rows out"
        )
    return given


def checked_reset(reset: Tensor, input: Tensor) -> Tensor:
    """Return a reset mask as bool, in the input's layout.

    Raises:
        ConfigError: For another shape or dtype.
    """
    if reset.shape != input.shape[:-1] or reset.dtype not in (torch.bool, torch.uint8):
        raise ConfigError(
            f"reset has shape {tuple(reset.shape)} and {reset.dtype}; it takes bool, shaped like "
            f"the input without features: {tuple(input.shape[:-1])}"
        )
    return reset.to(torch.bool)


def checked_state(
    state: State | None,
    cell: Cell,
    count: int,
    hidden: int,
    input: Tensor,
    batched: bool,
    learnt: Sequence[Tensor] = (),
) -> tuple[Tensor, ...]:
    """Return the initial states in the cell's order, ``(L·D, B, H)`` each.

    Args:
        state: The caller's states; None means the learnt ones, or zero.
        cell: The equations.
        count: L·D.
        hidden: H.
        input: ``(T, B, I)``.
        batched: Whether the caller's input had a batch axis.
        learnt: States to start from if none is given, ``(L·D, H)`` each; or empty.

    Raises:
        ConfigError: For a wrong number of states, or a wrong shape or dtype.
    """
    names = ", ".join(cell.states)
    if state is None and learnt:
        return tuple(
            each.to(input.dtype).unsqueeze(1).expand(-1, input.shape[1], -1) for each in learnt
        )
    if state is None:
        zero = input.new_zeros(count, input.shape[1], hidden)
        return tuple(zero for _ in cell.states)
    given = (state,) if isinstance(state, Tensor) else tuple(state)
    if len(given) != len(cell.states):
        raise ConfigError(
            f"{len(given)} initial states were given; {type(cell).__name__} has "
            f"{len(cell.states)}: ({names})"
        )
    expected = (count, input.shape[1], hidden) if batched else (count, hidden)
    for name, value in zip(cell.states, given, strict=True):
        if tuple(value.shape) != expected:
            raise ConfigError(
                f"initial state '{name}' has shape {tuple(value.shape)}; it takes {expected}"
            )
        if value.dtype != input.dtype:
            raise ConfigError(
                f"initial state '{name}' is {value.dtype} and the input is {input.dtype}; "
                "convert one with .to()"
            )
    return given if batched else tuple(value.unsqueeze(1) for value in given)
