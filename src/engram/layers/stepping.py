"""Stepping: one step of a stream, for which the call overhead exceeds the cost of the kernel.

Tensors are checked one by one at the start of a stream. After that, a single torch call checks
whether those of a step match the checked ones in type, dtype, device, shape, strides and all that
torch dispatches on, such as autocast and transforms. Addresses are read at each step, so they are
never stale. Whatever does not match takes the ordinary path, which reports the error or handles it.
"""

from collections.abc import Sequence
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import Parameter

from engram.cells.base import Cell
from engram.cells.language import OVER_UNITS
from engram.engine import torch_internals as internals
from engram.engine.dispatch import choose
from engram.engine.trace import trace
from engram.layers.arguments import State
from engram.layers.masks import Masking

if TYPE_CHECKING:
    from engram.engine.cpu.runtime.stream import Stream

# Number of rows from which packing the weights, as in the ordinary path, pays off.
_MANY_ROWS = 8

# Variants of steps cached per layer: two batch sizes, with torch.no_grad or inference_mode.
_KEPT = 4

_address = Tensor.data_ptr  # looked up once


class Layer(Protocol):
    """The parts of a recurrent layer that a step reads; see `Recurrent`."""

    cell: Cell
    masking: Masking
    engine: str
    training: bool
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    residual: bool
    learn_initial_state: bool
    dropout: float
    weight_drop: float
    dropout_input: float
    dropout_output: float
    steps_quickly: bool
    weight_names: list[list[str]]
    weight_shapes: dict[str, dict[str, tuple[int, ...]]]
    _parameters: dict[str, Parameter | None]


# shape, strides and dtype of a tensor to create
_Form = tuple[tuple[int, ...], tuple[int, ...], torch.dtype]


@cache
def can_step_quickly(cell: Cell) -> bool:
    """Whether a cell has kernels that read unpacked weights.

    It has none if it reduces over whole rows, if some of its recurrent weights are treated as zero
    whatever their values, or if this torch lacks the internals that steps use.
    """
    if internals.tensor_guards is None or internals.empty_strided is None:
        return False
    if choose(cell).engine != "cpu" or cell.unconnected:
        return False
    return all(node.op not in OVER_UNITS for node in trace(cell).nodes)


def quick_step(layer: Layer, input: Tensor, state: State | None) -> tuple[Tensor, State] | None:
    """Run one step without gradients; None if the ordinary path is needed.

    Args:
        layer: A layer with one direction.
        input: ``(B, I)`` or ``(I,)``.
        state: ``(L, B, H)`` each, or ``(L, H)``, as a layer takes them; None means zero.

    Returns:
        Output ``(B, H)`` or ``(H,)``, and the new states, shaped like the previous ones.
    """
    if (
        torch.is_grad_enabled()
        or internals.forward_mode._current_level >= 0
        or layer.engine not in ("auto", "cpu")
        or (layer.training and _draws(layer))
    ):
        return None
    states = (state,) if type(state) is not tuple and isinstance(state, Tensor) else state
    known = _prepared.get(layer, ())
    for prepared in known:
        tensors = prepared.tensors(layer, input, states)
        if tensors is not None:
            break
    else:
        tensors = _checked(layer, input, states)
        if tensors is None:
            return None
        prepared = _Prepared(layer, tensors)
        _prepared[layer] = (prepared, *known[: _KEPT - 1])
    output, *after = [internals.empty_strided(*form) for form in prepared.forms]
    if len(prepared.kernels) == 1:
        prepared.kernels[0].step([*map(_address, (output, *tensors, *after))])
    else:
        output = _step_stack(layer, prepared, tensors, after)
    return output, tuple(after) if prepared.states > 1 else after[0]


def _draws(layer: Layer) -> bool:
    """Whether the layer draws random values at each step while training."""
    return bool(
        layer.dropout
        or layer.weight_drop
        or layer.dropout_input
        or layer.dropout_output
        or layer.masking.training.masks
    )


def _step_stack(
    layer: Layer,
    prepared: "_Prepared",
    tensors: Sequence[Tensor],
    after: Sequence[Tensor],
) -> Tensor:
    """Run the layers of a stack one after another, and return the output of the last."""
    below, addresses = tensors[0], [*map(_address, tensors)]
    weights, before = addresses[1 : -prepared.states], addresses[-prepared.states :]
    behind = [*map(_address, after)]
    each = len(weights) // len(prepared.kernels)
    for place, kernel in enumerate(prepared.kernels):
        output, shift = internals.empty_strided(*prepared.forms[0]), place * prepared.bytes
        kernel.step(
            [
                output.data_ptr(),
                below.data_ptr(),
                *weights[place * each : (place + 1) * each],
                *[address + shift for address in before],
                *[address + shift for address in behind],
            ]
        )
        below = output.add_(below) if place and layer.residual else output
    return below


def _checked(
    layer: Layer, input: Tensor, states: Sequence[Tensor] | None
) -> tuple[Tensor, ...] | None:
    """Input, weights and states of a step; None if one needs the ordinary path."""
    if type(input) is not Tensor or not layer.steps_quickly:
        return None
    dtype, shape = input.dtype, input.shape
    if (
        len(shape) not in (1, 2)
        or shape[-1] != layer.input_size
        or not 0 < shape[:-1].numel() < _MANY_ROWS
        or torch.is_autocast_enabled("cpu")
        or internals.transforms_active()
    ):
        return None
    cell, hidden, count = layer.cell, layer.hidden_size, layer.num_layers
    state_shape = (count, *shape[:-1], hidden)
    if states is None:
        if layer.learn_initial_state:
            return None
        states = [input.new_zeros(state_shape) for _ in cell.states]
    weights = [layer._parameters.get(name) for own in layer.weight_names for name in own]
    tensors = tuple(each for each in (input, *weights, *states) if each is not None)
    shapes: list[tuple[int, ...]] = [shape]
    for own in layer.weight_shapes.values():
        shapes += own.values()
    shapes += [state_shape] * len(cell.states)
    if len(tensors) != len(shapes):
        return None
    for each, expected in zip(tensors, shapes, strict=True):
        if (
            type(each) not in (Tensor, Parameter)
            or each.dtype is not dtype
            or each.shape != expected
            or not each.is_cpu
            or not each.is_contiguous()
            or each.is_neg()
        ):
            return None
    return tensors


class _Prepared:
    """Data shared by the steps of a layer with matching tensors.

    Args:
        layer: The layer.
        tensors: Checked tensors of one step: input, weights of all layers, states.

    Attributes:
        states: Number of states of the cell.
        forms: Shape, strides and dtype of output and states.
        kernels: One stream for each layer.
        bytes: Size of one layer's part of a state.
    """

    def __init__(self, layer: Layer, tensors: Sequence[Tensor]) -> None:
        from engram.engine.cpu.runtime.stream import stream

        input, hidden, cell = tensors[0], layer.hidden_size, layer.masking.evaluation
        batch = input.shape[:-1].numel()
        self.states = len(cell.states)
        output = input.new_empty(*input.shape[:-1], hidden)
        self._zeros = tuple([input.new_zeros(tensors[-1].shape) for _ in cell.states])
        self.forms = [_form(each) for each in (output, *self._zeros)]
        self.bytes = output.nbytes
        sizes = [layer.input_size] + [hidden] * (layer.num_layers - 1)
        self.kernels: list[Stream] = [
            stream(cell, input.dtype, size, hidden, batch, layer.bias) for size in sizes
        ]
        self._weights = itemgetter(*(name for own in layer.weight_names for name in own))
        self._count = len(tensors)
        # sizes and strides must match
        self._alike = internals.tensor_guards(
            *tensors, dynamic_dims_sizes=None, dynamic_dims_strides=None
        ).check

    def tensors(
        self, layer: Layer, input: Tensor, states: Sequence[Tensor] | None
    ) -> tuple[Tensor, ...] | None:
        """Input, weights and states of a step; None if they do not match those checked."""
        if states is None:
            if layer.learn_initial_state:
                return None
            states = self._zeros
        try:
            found = (input, *self._weights(layer._parameters), *states)
        except KeyError:  # it is now computed from other tensors
            return None
        return found if len(found) == self._count and self._alike(*found) else None


def _form(tensor: Tensor) -> _Form:
    return tuple(tensor.shape), tensor.stride(), tensor.dtype


# stored outside the layers, so that they can be copied and pickled
_prepared: WeakKeyDictionary[Layer, tuple["_Prepared", ...]] = WeakKeyDictionary()
