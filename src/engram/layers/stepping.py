"""Stepping: one step of a stream, where the calls around a kernel cost more than the kernel.

The checks here are the least that make a call safe. Whatever does not pass them takes the ordinary
way, which says what is wrong, or does it.
"""

from functools import cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.autograd import forward_ad

from engram.cells.base import Cell
from engram.cells.language import OVER_UNITS
from engram.engine.dispatch import choose
from engram.engine.trace import trace

if TYPE_CHECKING:
    from engram.layers.recurrent import Recurrent

# Rows from which on it pays to pack the weights, as the ordinary way does.
_MANY_ROWS = 8


@cache
def can_step_quickly(cell: Cell) -> bool:
    """Whether a cell has kernels that read weights as they are.

    Not if it looks at whole rows, nor if some of its recurrent weights count as zero whatever they
    hold.
    """
    if choose(cell).engine != "cpu" or cell.unconnected:
        return False
    return all(node.op not in OVER_UNITS for node in trace(cell).nodes)


def quick_step(
    layer: "Recurrent", input: Tensor, state: tuple[Tensor, ...] | None
) -> tuple[Tensor, tuple[Tensor, ...]] | None:
    """Run one step without gradients; None where the ordinary way is needed.

    Args:
        layer: In one direction.
        input: ``(B, I)`` or ``(I,)``.
        state: ``(L, B, H)`` each, or ``(L, H)``; None means zero.

    Returns:
        Output ``(B, H)`` or ``(H,)``, and the states after the step, shaped like those before.
    """
    if (
        torch.is_grad_enabled()
        or layer.engine not in ("auto", "cpu")
        or type(input) is not Tensor
        or not input.is_contiguous()
        or not input.is_cpu
        or (
            layer.training
            and (
                layer.dropout
                or layer.weight_drop
                or layer.dropout_input
                or layer.dropout_output
                or layer.masking.training.masks
            )
        )
        or torch.is_autocast_enabled("cpu")
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
    ):
        return None
    dtype, shape = input.dtype, input.shape
    streams = _streams.get(layer)
    known = streams is not None and streams.dtype is dtype and streams.input_shape == shape
    if not (known or _fits(layer, shape)):
        return None
    weights = _weights(layer, dtype)
    if weights is None:
        return None
    if streams is None or not known:
        streams = _streams[layer] = _Streams(layer, dtype, shape)
    if state is None:
        if layer.learn_initial_state:
            return None
        state = tuple([input.new_zeros(streams.state_shape) for _ in range(streams.states)])
    elif len(state) != streams.states:
        return None
    expected = streams.state_shape
    for each in state:
        if (
            each.dtype is not dtype
            or each.shape != expected
            or not each.is_contiguous()
            or not each.is_cpu
        ):
            return None
    after = tuple([torch.empty_like(each) for each in state])
    if len(weights) == 1:
        output = torch.empty_like(streams.output)
        streams.layers[0].step(input, weights[0], state, after, output)
        return output, after
    below = input
    for place, (kernel, own) in enumerate(zip(streams.layers, weights, strict=True)):
        old, new = [each[place] for each in state], [each[place] for each in after]
        kernel.step(below, own, old, new, new[0])
        below = new[0] + below if place and layer.residual else new[0]
    return below.clone(), after


def _fits(layer: "Recurrent", shape: torch.Size) -> bool:
    """Whether an input of this shape is one of few rows for a layer that steps quickly."""
    batch = shape[0] if len(shape) == 2 else 1
    return (
        layer.steps_quickly
        and len(shape) in (1, 2)
        and shape[-1] == layer.input_size
        and 0 < batch < _MANY_ROWS
    )


class _Streams:
    """The streams of a layer's stack, for one dtype and shape of input.

    Attributes:
        dtype: Of all.
        input_shape: ``(B, I)`` or ``(I,)``.
        state_shape: ``(L, B, H)`` or ``(L, H)``.
        states: How many the cell has.
        output: Of the shape of an output, for others to be made like it.
        layers: One stream for each.
    """

    def __init__(self, layer: "Recurrent", dtype: torch.dtype, shape: torch.Size) -> None:
        from engram.engine.cpu.stream import stream

        hidden, cell = layer.hidden_size, layer.masking.evaluation
        batch = shape[0] if len(shape) == 2 else 1
        self.dtype, self.input_shape = dtype, shape
        self.output = torch.empty(*shape[:-1], hidden, dtype=dtype)
        self.state_shape = torch.Size([layer.num_layers, *self.output.shape])
        self.states = len(cell.states)
        sizes = [layer.input_size] + [hidden] * (layer.num_layers - 1)
        self.layers = [stream(cell, dtype, size, hidden, batch, layer.bias) for size in sizes]


# beside the layers and not in them, so that they can be copied and pickled
_streams: "WeakKeyDictionary[Recurrent, _Streams]" = WeakKeyDictionary()


def _weights(layer: "Recurrent", dtype: torch.dtype) -> list[list[int]] | None:
    """Addresses of the weights of each layer, in a stream's order; None where one is unusual."""
    known = layer._parameters
    found = []
    for names in layer.weight_names:
        own = []
        for name in names:
            weight = known.get(name)
            if (
                weight is None
                or weight.dtype is not dtype
                or not weight.is_contiguous()
                or not weight.is_cpu
            ):
                return None
            own.append(weight.data_ptr())
        found.append(own)
    return found
