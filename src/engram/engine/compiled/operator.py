"""Operator: a cell's passes as operators of torch, with gradients and with fake tensors.

``engram::run`` runs a cell over a sequence, one layer in one direction; ``engram::run_backward`` is
its reverse. Being registered, they stand in graphs of torch.compile like any other operator; where
nothing looks on that would see them, what they do is called without them, which takes less time. A
gradient of a gradient is left to the reference engine, which says so once.
"""

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from engram.cells.base import Cell
from engram.engine import reference
from engram.engine.compiled.inputs import Inputs, Kept
from engram.engine.compiled.plan import Plan, plan
from engram.engine.compiled.schedule import full_schedule, ragged_schedule
from engram.engine.cpu.runtime.kernels import Kernels, kernels_for
from engram.engine.cpu.runtime.packing import in_order, last_rows, out_of_order, packed, unpacked
from engram.engine.cpu.runtime.passes import run_backward, run_forward
from engram.engine.sequence import (
    Result,
    State,
    Weights,
    constant_for_compile,
    resets_in_running_order,
)
from engram.errors import ConfigError, EngramWarning

_SIGNATURE = (
    "(Tensor x, Tensor input, Tensor recurrent, Tensor? input_bias, Tensor? recurrent_bias, "
    "Tensor[] units, Tensor[] states, Tensor[] masks, Tensor? lengths, Tensor? reset, "
)


def run(
    cell: Cell,
    x: Tensor,
    weights: Weights,
    state: State,
    *,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    reverse: bool = False,
    record: bool = False,
) -> Result:
    """Run a cell over a sequence; arguments and result as in `reference.run`.

    What is recorded takes no gradients.
    """
    name = cell_name(cell)
    biases = weights.input_bias, weights.recurrent_bias
    units = [weights.units[unit] for unit in cell.weights]
    states = [state[each] for each in cell.states]
    masks = [weights.masks[each] for each in cell.masks]
    tensors = [x, weights.input, weights.recurrent, *biases, *units, *states]
    keeping = record or (
        torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    )
    operator = _run_with_gradient if _unseen(x) else torch.ops.engram.run
    output, *rest = operator(
        *tensors[:5], units, states, masks, lengths, reset, reverse, keeping, name, record
    )
    count = len(cell.states)
    after = dict(zip(cell.states, rest[:count], strict=True))
    recording = _recording(_plans[name], x, output, rest[count:], lengths) if record else {}
    return Result(output, after, recording=recording)


_cells: dict[str, Cell] = {}
_plans: dict[str, Plan] = {}


def cell_name(cell: Cell) -> str:
    """The name by which operators know a cell: what it computes, so the same in every process.

    Raises:
        UntraceableError: Where the cell cannot be traced; see `trace`.
    """
    return _registered(cell)


constant_for_compile(cell_name)


@cache
def _registered(cell: Cell) -> str:
    drawn = plan(cell)
    _plans[drawn.name], _cells[drawn.name] = drawn, cell
    return drawn.name


def kernels_of(cell: Cell, dtype: torch.dtype) -> Kernels:
    """The kernels that run a cell."""
    return kernels_for(_plans[cell_name(cell)], dtype)


def _run(
    x: Tensor,
    input: Tensor,
    recurrent: Tensor,
    input_bias: Tensor | None,
    recurrent_bias: Tensor | None,
    units: Sequence[Tensor],
    states: Sequence[Tensor],
    masks: Sequence[Tensor],
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
    keeping: bool,
    cell: str,
    recording: bool = False,
) -> list[Tensor]:
    """Output and final states; then, where kept, gates, states but the first, and rows.

    What is kept lies in packed rows, of which there may be fewer than T·B; the rest is undefined.
    With lengths, all states are among it, because the output is not in packed rows.
    """
    drawn = _plans[cell]
    weights = _weights(drawn, input, recurrent, input_bias, recurrent_bias, units, masks)
    inputs = _inputs(drawn, x, weights, states, lengths, reset, reverse)
    schedule = inputs.schedule
    kernels = kernels_for(drawn, x.dtype)
    kept = run_forward(kernels, inputs, keeping=keeping, recording=recording)
    after = [last_rows(schedule, kept.states[name]) for name in drawn.states]
    output = unpacked(schedule, kept.states[drawn.states[0]])
    if not keeping:
        return [output, *after]
    assert kept.gates is not None
    own = [kept.states[name] for name in drawn.states[0 if schedule.places is not None else 1 :]]
    return [output, *after, kept.gates, *own, *([] if kept.rows is None else [kept.rows])]


def _run_backward(
    x: Tensor,
    input: Tensor,
    recurrent: Tensor,
    input_bias: Tensor | None,
    recurrent_bias: Tensor | None,
    units: Sequence[Tensor],
    states: Sequence[Tensor],
    masks: Sequence[Tensor],
    lengths: Tensor | None,
    reset: Tensor | None,
    output: Tensor,
    kept: Sequence[Tensor],
    output_gradient: Tensor,
    state_gradients: Sequence[Tensor],
    reverse: bool,
    wants_x: bool,
    cell: str,
) -> list[Tensor]:
    """Gradients of weights, biases where there are some, units, and states; and of x if wanted."""
    drawn = _plans[cell]
    weights = _weights(drawn, input, recurrent, input_bias, recurrent_bias, units, masks)
    inputs = _inputs(drawn, x, weights, states, lengths, reset, reverse)
    schedule = inputs.schedule
    numbers = kept[-1] if drawn.rows else None
    gates, *rest = (t[: schedule.rows] for t in (kept[:-1] if drawn.rows else kept))
    if schedule.places is None:
        rest = [output.view(schedule.rows, -1), *rest]
    count = len(drawn.states)
    states_kept = dict(zip(drawn.states, rest[:count], strict=True))
    left = Kept(states_kept, gates, numbers)
    arrived = {
        name: in_order(schedule, gradient).clone(memory_format=torch.contiguous_format)
        for name, gradient in zip(drawn.states, state_gradients, strict=True)
    }
    gradients = run_backward(
        kernels_for(drawn, x.dtype),
        inputs,
        left,
        packed(schedule, output_gradient),
        arrived,
        wants_x=wants_x,
    )
    own = gradients.weights
    found = [own.input, own.recurrent]
    found += [bias for bias in (own.input_bias, own.recurrent_bias) if bias is not None]
    found += [own.units[name] for name in drawn.weights]
    found += [out_of_order(schedule, gradients.initial[name]) for name in drawn.states]
    if gradients.x is not None:
        found.append(unpacked(schedule, gradients.x))
    return found


class _Run(torch.autograd.Function):
    """The pass with its gradient; tensors come in one row, because autograd takes no lists."""

    @staticmethod
    def forward(
        ctx: Any, name: str, reverse: bool, recording: bool, *tensors: Tensor | None
    ) -> Any:
        """Run and keep; see `_run`."""
        drawn = _plans[name]
        outputs = _run_below(*_listed(drawn, tensors), reverse, True, name, recording)
        count = 1 + len(drawn.states)
        ctx.save_for_backward(*tensors, outputs[0], *outputs[count:])
        ctx.name, ctx.reverse, ctx.given = name, reverse, len(tensors)
        ctx.mark_non_differentiable(*outputs[count:])
        ctx.set_materialize_grads(False)
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        """Run the reverse: on the reference engine where its result must have a gradient itself."""
        drawn = _plans[ctx.name]
        saved = ctx.saved_tensors
        tensors, output, kept = saved[: ctx.given], saved[ctx.given], saved[ctx.given + 1 :]
        listed = _listed(drawn, tensors)
        first, *finals = gradients[: 1 + len(drawn.states)]
        first = torch.zeros_like(output) if first is None else first
        after = [
            torch.zeros_like(state) if gradient is None else gradient
            for state, gradient in zip(listed[6], finals, strict=True)
        ]
        if torch.is_grad_enabled():
            again = _differentiable_gradients(ctx, drawn, tensors, [first, *after])
            return (None, None, None, *again)
        wants_x = ctx.needs_input_grad[3]
        operator: Any = _run_backward if _unseen(output) else torch.ops.engram.run_backward
        with torch._C._AutoDispatchBelowAutograd():
            found = iter(
                operator(*listed, output, list(kept), first, after, ctx.reverse, wants_x, ctx.name)
            )
        by_place: list[Tensor | None] = [None] * len(tensors)
        biases = [place for place in (3, 4) if tensors[place] is not None]
        with_gradient = len(tensors) - len(drawn.masks)
        for place in [1, 2, *biases, *range(7, with_gradient)]:
            by_place[place] = next(found)
        if wants_x:
            by_place[0] = next(found)
        return (None, None, None, *by_place)


def _differentiable_gradients(
    ctx: Any, drawn: Plan, tensors: Sequence[Tensor | None], gradients: Sequence[Tensor]
) -> list[Tensor | None]:
    """Gradients that can be differentiated again: the reference engine's."""
    _say_once(type(_cells[ctx.name]).__name__)
    listed = _listed(drawn, tensors)
    x, input, recurrent, input_bias, recurrent_bias, units, states, masks, lengths, reset = listed
    weights = _weights(drawn, input, recurrent, input_bias, recurrent_bias, units, masks)
    result = reference.run(
        _cells[ctx.name],
        x,
        weights,
        dict(zip(drawn.states, states, strict=True)),
        lengths=lengths,
        reset=reset,
        reverse=ctx.reverse,
    )
    computed = [result.output, *(result.state[name] for name in drawn.states)]
    # an output may depend on nothing that a gradient is wanted of
    pairs = [pair for pair in zip(computed, gradients, strict=True) if pair[0].requires_grad]
    wanted = {n: t for n, t in enumerate(tensors) if t is not None and ctx.needs_input_grad[n + 3]}
    found = torch.autograd.grad(
        [output for output, _ in pairs],
        list(wanted.values()),
        [gradient for _, gradient in pairs],
        create_graph=True,
        allow_unused=True,
    )
    by_place: list[Tensor | None] = [None] * len(tensors)
    for n, gradient in zip(wanted, found, strict=True):
        by_place[n] = gradient
    return by_place


@cache
def _say_once(cell: str) -> None:
    warnings.warn(
        f"a gradient of a gradient of {cell} runs on the reference engine: kernels have none; "
        "engine='reference' runs all of it there",
        EngramWarning,
        stacklevel=2,
    )


def _run_with_gradient(*arguments: Any) -> Any:
    """``engram::run`` where autograd looks on."""
    *listed, reverse, keeping, name = arguments[:13]
    recording = arguments[13:] == (True,)  # the dispatcher leaves a default out
    x, input, recurrent, input_bias, recurrent_bias, units, states, masks, lengths, reset = listed
    if keeping and torch.is_grad_enabled():
        weights = [input, recurrent, input_bias, recurrent_bias]
        # lengths and reset stand before units, states and masks, whose number differs by cell
        row = [x, *weights, lengths, reset, *units, *states, *masks]
        return list(_Run.apply(name, reverse, recording, *row))
    return _run_below(*arguments)


def _run_below(x: Tensor, *rest: Any) -> list[Tensor]:
    """``engram::run`` with no gradients."""
    operator = _run if _unseen(x) else torch.ops.engram.run
    with torch._C._AutoDispatchBelowAutograd():
        return operator(x, *rest)


def _unseen(x: Tensor) -> bool:
    """Whether nobody would see an operator: no compiler, tracer, mode or kind of tensor."""
    return (
        not torch.compiler.is_compiling()
        and type(x) in (Tensor, torch.nn.Parameter)
        and torch._C._len_torch_dispatch_stack() == 0
        and torch._C._get_tracing_state() is None
    )


def _listed(drawn: Plan, row: Sequence[Any]) -> list[Any]:
    """The arguments of the operators, lists among them, from one row of tensors."""
    x, *weights = row[:5]
    lengths, reset = row[5:7]
    blocks, start = [], 7
    for names in (drawn.weights, drawn.states, drawn.masks):
        blocks.append(list(row[start : start + len(names)]))
        start += len(names)
    return [x, *weights, *blocks, lengths, reset]


def _fake_run(
    x: Tensor,
    input: Tensor,
    recurrent: Tensor,
    input_bias: Tensor | None,
    recurrent_bias: Tensor | None,
    units: Sequence[Tensor],
    states: Sequence[Tensor],
    masks: Sequence[Tensor],
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
    keeping: bool,
    cell: str,
    recording: bool = False,
) -> list[Tensor]:
    drawn = _plans[cell]
    steps, batch, _ = x.shape
    hidden = states[0].shape[1]
    outputs = [x.new_empty(steps, batch, hidden), *(x.new_empty(state.shape) for state in states)]
    if keeping:
        rows = steps * batch
        more = len(drawn.states) - (lengths is None)
        outputs.append(x.new_empty(rows, drawn.blocks(recording) * hidden))
        outputs += [x.new_empty(rows, hidden) for _ in range(more)]
        outputs += [x.new_empty(drawn.rows, rows)] if drawn.rows else []
    return outputs


def _fake_run_backward(
    x: Tensor,
    input: Tensor,
    recurrent: Tensor,
    input_bias: Tensor | None,
    recurrent_bias: Tensor | None,
    units: Sequence[Tensor],
    states: Sequence[Tensor],
    masks: Sequence[Tensor],
    lengths: Tensor | None,
    reset: Tensor | None,
    output: Tensor,
    kept: Sequence[Tensor],
    output_gradient: Tensor,
    state_gradients: Sequence[Tensor],
    reverse: bool,
    wants_x: bool,
    cell: str,
) -> list[Tensor]:
    biases = [bias for bias in (input_bias, recurrent_bias) if bias is not None]
    shapes = [t.shape for t in (input, recurrent, *biases, *units, *states)]
    # contiguous, whatever the layout of what each belongs to
    return [x.new_empty(shape) for shape in ([*shapes, x.shape] if wants_x else shapes)]


_library = torch.library.Library("engram", "DEF")
_library.define(
    f"run{_SIGNATURE}bool reverse, bool keeping, str cell, bool recording=False) -> Tensor[]"
)
_library.define(
    f"run_backward{_SIGNATURE}Tensor output, Tensor[] kept, Tensor output_gradient, "
    "Tensor[] state_gradients, bool reverse, bool wants_x, str cell) -> Tensor[]"
)
_library.impl("run", _run, "CPU")
_library.impl("run", _run_with_gradient, "Autograd")
_library.impl("run_backward", _run_backward, "CPU")
torch.library.register_fake("engram::run", _fake_run, lib=_library)
torch.library.register_fake("engram::run_backward", _fake_run_backward, lib=_library)


def _weights(
    drawn: Plan,
    input: Tensor,
    recurrent: Tensor,
    input_bias: Tensor | None,
    recurrent_bias: Tensor | None,
    units: Sequence[Tensor],
    masks: Sequence[Tensor],
) -> Weights:
    by_unit = dict(zip(drawn.weights, units, strict=True))
    by_row = dict(zip(drawn.masks, masks, strict=True))
    return Weights(input, recurrent, input_bias, recurrent_bias, by_unit, by_row)


def _inputs(
    drawn: Plan,
    x: Tensor,
    weights: Weights,
    states: Sequence[Tensor],
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
) -> Inputs:
    """Put everything in packed rows, contiguous."""
    steps, batch, _ = x.shape
    if lengths is None:
        schedule = full_schedule(steps, batch, reverse)
    else:
        if bool(((lengths < 1) | (lengths > steps)).any()):
            raise ConfigError(f"lengths holds {lengths.tolist()}; a row takes 1 to T={steps} steps")
        schedule = ragged_schedule(lengths, steps, reverse)
    clear = resets_in_running_order(reset, lengths, reverse)
    keep = None
    if clear is not None and bool(clear.any()):
        keep = packed(schedule, (~clear).to(torch.uint8).unsqueeze(2)).view(-1)
    plain = Weights(
        weights.input.contiguous(),
        weights.recurrent.contiguous(),
        None if weights.input_bias is None else weights.input_bias.contiguous(),
        None if weights.recurrent_bias is None else weights.recurrent_bias.contiguous(),
        {name: value.contiguous() for name, value in weights.units.items()},
        {name: packed(schedule, value) for name, value in weights.masks.items()},
    )
    initial = {
        name: in_order(schedule, state).contiguous()
        for name, state in zip(drawn.states, states, strict=True)
    }
    return Inputs(packed(schedule, x), plain, initial, keep, schedule)


def _recording(
    drawn: Plan, x: Tensor, output: Tensor, kept: Sequence[Tensor], lengths: Tensor | None
) -> dict[str, Tensor]:
    """Gates and states by name, ``(T, B, H)``, from what was kept."""
    steps, batch, _ = x.shape
    hidden = output.shape[2]
    # which packed row lies where does not depend on the direction
    schedule = (
        full_schedule(steps, batch, False)
        if lengths is None
        else ragged_schedule(lengths, steps, False)
    )
    gates, *rest = kept
    if lengths is None:
        rest = [output.reshape(steps * batch, hidden), *rest]
    states = rest[: len(drawn.states)]
    blocks = gates.split(hidden, dim=1)
    recording = {}
    for name, node in zip(drawn.gates, drawn.seen, strict=True):
        place = drawn.kept[node]
        recording[name] = (
            states[place.index] if place.kind == "state" else blocks[drawn.block(place)]
        )
    recording |= dict(zip(drawn.states, states, strict=True))
    return {name: unpacked(schedule, value.detach()) for name, value in recording.items()}
