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
from engram.engine import torch_internals as internals
from engram.engine.compiled import implementation
from engram.engine.compiled.arguments import SIGNATURE, Arguments, arguments_of
from engram.engine.compiled.implementation import Passes
from engram.engine.compiled.names import cell_name, cell_of, plan_of
from engram.engine.compiled.packed_rows import unpacked
from engram.engine.compiled.plan import Plan
from engram.engine.sequence import (
    Result,
    State,
    Weights,
)
from engram.errors import EngramWarning

_COUNT = len(Arguments._fields)


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
    arguments = Arguments(
        x,
        weights.input,
        weights.recurrent,
        weights.input_bias,
        weights.recurrent_bias,
        [weights.units[unit] for unit in cell.weights],
        [state[each] for each in cell.states],
        [weights.masks[each] for each in cell.masks],
        lengths,
        reset,
        reverse,
    )
    keeping = record or (torch.is_grad_enabled() and _takes_gradient(arguments))
    operator = _run_with_gradient if _unseen(x) else torch.ops.engram.run
    output, *rest = operator(*arguments, keeping, name, record)
    count = len(cell.states)
    after = dict(zip(cell.states, rest[:count], strict=True))
    recording = _recording(plan_of(name), arguments, output, rest[count:]) if record else {}
    return Result(output, after, recording=recording)


def implement(device: str, passes: Passes) -> None:
    """Have the operators run on a type of device by an engine's passes."""
    implementation.passes[device] = passes
    _library.impl("run", implementation.run, device.upper())
    _library.impl("run_backward", implementation.run_backward, device.upper())


def _takes_gradient(arguments: Arguments) -> bool:
    for tensor in (*arguments[:5], *arguments.units, *arguments.states):
        if tensor is not None and tensor.requires_grad:
            return True
    return False


class _Run(torch.autograd.Function):
    """The pass with its gradient; tensors come in one row, because autograd takes no lists."""

    @staticmethod
    def forward(
        ctx: Any, name: str, reverse: bool, recording: bool, *tensors: Tensor | None
    ) -> Any:
        """Run and keep; see `implementation.run`."""
        plan = plan_of(name)
        given = (*arguments_of(plan, tensors, reverse), True, name, recording)
        outputs = _below_autograd(implementation.run, torch.ops.engram.run, *given)
        count = 1 + len(plan.states)
        ctx.save_for_backward(*tensors, outputs[0], *outputs[count:])
        ctx.name, ctx.reverse, ctx.given = name, reverse, len(tensors)
        ctx.mark_non_differentiable(*outputs[count:])
        ctx.set_materialize_grads(False)
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        """Run the reverse: on the reference engine where its result must have a gradient itself."""
        plan = plan_of(ctx.name)
        saved = ctx.saved_tensors
        tensors, output, kept = saved[: ctx.given], saved[ctx.given], saved[ctx.given + 1 :]
        arguments = arguments_of(plan, tensors, ctx.reverse)
        first, *finals = gradients[: 1 + len(plan.states)]
        first = torch.zeros_like(output) if first is None else first
        after = [
            torch.zeros_like(state) if gradient is None else gradient
            for state, gradient in zip(arguments.states, finals, strict=True)
        ]
        if torch.is_grad_enabled():
            wanted = ctx.needs_input_grad[3:]
            again = _differentiable_gradients(ctx.name, arguments, wanted, [first, *after])
            return (None, None, None, *again)
        wants_x = ctx.needs_input_grad[3]
        given = (*arguments, output, list(kept), first, after, wants_x, ctx.name)
        found = iter(
            _below_autograd(implementation.run_backward, torch.ops.engram.run_backward, *given)
        )
        by_place: list[Tensor | None] = [None] * len(tensors)
        biases = [place for place in (3, 4) if tensors[place] is not None]
        with_gradient = len(tensors) - len(plan.masks)
        for place in [1, 2, *biases, *range(7, with_gradient)]:
            by_place[place] = next(found)
        if wants_x:
            by_place[0] = next(found)
        return (None, None, None, *by_place)


def _differentiable_gradients(
    name: str, arguments: Arguments, wanted: Sequence[bool], gradients: Sequence[Tensor]
) -> list[Tensor | None]:
    """Gradients that can be differentiated again: the reference engine's.

    Args:
        name: Of the cell.
        arguments: What it ran on.
        wanted: For each tensor of their row, whether its gradient is.
        gradients: Of the output and the final states.
    """
    cell, plan = cell_of(name), plan_of(name)
    _say_once(type(cell).__name__)
    result = reference.run(
        cell,
        arguments.x,
        arguments.weights(plan),
        dict(zip(plan.states, arguments.states, strict=True)),
        lengths=arguments.lengths,
        reset=arguments.reset,
        reverse=arguments.reverse,
    )
    computed = [result.output, *(result.state[name] for name in plan.states)]
    # an output may depend on nothing that a gradient is wanted of
    pairs = [pair for pair in zip(computed, gradients, strict=True) if pair[0].requires_grad]
    row = arguments.row()
    places = {n: t for n, t in enumerate(row) if t is not None and wanted[n]}
    found = torch.autograd.grad(
        [output for output, _ in pairs],
        list(places.values()),
        [gradient for _, gradient in pairs],
        create_graph=True,
        allow_unused=True,
    )
    by_place: list[Tensor | None] = [None] * len(row)
    for n, gradient in zip(places, found, strict=True):
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


def _run_with_gradient(*given: Any) -> Any:
    """``engram::run`` where autograd looks on."""
    keeping, name, *more = given[_COUNT:]
    if keeping and torch.is_grad_enabled():
        arguments = Arguments(*given[:_COUNT])
        # the dispatcher leaves a default out
        return list(_Run.apply(name, arguments.reverse, more == [True], *arguments.row()))
    return _below_autograd(implementation.run, torch.ops.engram.run, *given)


def _below_autograd(implemented: Any, operator: Any, *given: Any) -> Any:
    """Call an operator with no gradients: what it does itself, where nobody looks on."""
    if internals.below_autograd is None:
        return implemented(*given)
    with internals.below_autograd():
        return implemented(*given) if _unseen(given[0]) else operator(*given)


def _unseen(x: Tensor) -> bool:
    """Whether nobody would see an operator: no compiler, tracer, mode or kind of tensor."""
    return (
        not torch.compiler.is_compiling()
        and type(x) in (Tensor, torch.nn.Parameter)
        and internals.dispatch_modes() == 0
        and internals.tracing_state() is None
    )


_library = torch.library.Library("engram", "DEF")
_library.define(f"run({SIGNATURE}, bool keeping, str cell, bool recording=False) -> Tensor[]")
_library.define(
    f"run_backward({SIGNATURE}, Tensor output, Tensor[] kept, Tensor output_gradient, "
    "Tensor[] state_gradients, bool wants_x, str cell) -> Tensor[]"
)
_library.impl("run", _run_with_gradient, "Autograd")
torch.library.register_fake("engram::run", implementation.fake_run, lib=_library)
torch.library.register_fake("engram::run_backward", implementation.fake_run_backward, lib=_library)


def _recording(
    plan: Plan, arguments: Arguments, output: Tensor, kept: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Gates and states by name, ``(T, B, H)``, from what was kept."""
    # which packed row lies where does not depend on the direction
    schedule = arguments.schedule(reverse=False)
    gates, *rest = kept
    hidden = output.shape[2]
    if arguments.lengths is None:
        rest = [output.reshape(schedule.room, hidden), *rest]
    states = rest[: len(plan.states)]
    blocks = gates.split(hidden, dim=1)
    recording = {}
    for name, node in zip(plan.gates, plan.seen, strict=True):
        place = plan.kept[node]
        recording[name] = (
            states[place.index] if place.kind == "state" else blocks[plan.block(place)]
        )
    recording |= dict(zip(plan.states, states, strict=True))
    return {name: unpacked(schedule, value.detach()) for name, value in recording.items()}
