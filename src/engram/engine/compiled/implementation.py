"""Implementation: what the operators of a cell do, on tensors and on fake ones."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engram.engine.compiled.arguments import Arguments
from engram.engine.compiled.inputs import Gradients, Kept
from engram.engine.compiled.names import plan_of
from engram.engine.compiled.packed_rows import in_order, last_rows, out_of_order, packed, unpacked

_COUNT = len(Arguments._fields)


class Passes(NamedTuple):
    """The passes of an engine that is made from the graph, on one kind of device.

    Attributes:
        forward: ``(plan, inputs, *, keeping, recording)``, gives `Kept`.
        backward: ``(plan, inputs, kept, output_gradient, state_gradients, *, wants_x)``, with
            gradients ``(N, H)`` and by name ``(B, H)``, which it may overwrite; gives `Gradients`.
    """

    forward: Callable[..., Kept]
    backward: Callable[..., Gradients]


passes: dict[str, Passes] = {}  # by type of device


def run(*given: Any) -> list[Tensor]:
    """Output and final states; then, where kept, gates, states but the first, and rows.

    What is kept lies in packed rows, of which there may be fewer than T·B; the rest is undefined.
    With lengths, all states are among it, because the output is not in packed rows.

    Args:
        given: `Arguments`, whether to keep, the cell's name, and whether to record.
    """
    arguments = Arguments(*given[:_COUNT])
    keeping, name, *more = given[_COUNT:]
    plan = plan_of(name)
    inputs = arguments.inputs(plan)
    schedule = inputs.schedule
    # the dispatcher leaves a default out
    kept = passes[arguments.x.device.type].forward(
        plan, inputs, keeping=keeping, recording=more == [True]
    )
    after = [last_rows(schedule, kept.states[state]) for state in plan.states]
    output = unpacked(schedule, kept.states[plan.states[0]])
    if not keeping:
        return [output, *after]
    assert kept.gates is not None
    own = [kept.states[state] for state in plan.states[0 if schedule.places is not None else 1 :]]
    return [output, *after, kept.gates, *own, *([] if kept.rows is None else [kept.rows])]


def run_backward(*given: Any) -> list[Tensor]:
    """Gradients of weights, biases where there are some, units, and states; and of x if wanted.

    Args:
        given: `Arguments`, the output, what was kept, the gradients of the output and of the final
            states, whether that of x is wanted, and the cell's name.
    """
    arguments = Arguments(*given[:_COUNT])
    output, kept, output_gradient, state_gradients, wants_x, name = given[_COUNT:]
    plan = plan_of(name)
    inputs = arguments.inputs(plan)
    schedule = inputs.schedule
    numbers = kept[-1] if plan.rows else None
    gates, *rest = (t[: schedule.rows] for t in (kept[:-1] if plan.rows else kept))
    if schedule.places is None:
        rest = [output.view(schedule.rows, -1), *rest]
    states = dict(zip(plan.states, rest[: len(plan.states)], strict=True))
    # a copy, which has its sign in memory whatever it is a copy of
    arrived = {
        state: in_order(schedule, gradient).clone(memory_format=torch.contiguous_format)
        for state, gradient in zip(plan.states, state_gradients, strict=True)
    }
    gradients = passes[arguments.x.device.type].backward(
        plan,
        inputs,
        Kept(states, gates, numbers),
        packed(schedule, output_gradient),
        arrived,
        wants_x=wants_x,
    )
    own = gradients.weights
    found = [own.input, own.recurrent]
    found += [bias for bias in (own.input_bias, own.recurrent_bias) if bias is not None]
    found += [own.units[unit] for unit in plan.weights]
    found += [out_of_order(schedule, gradients.initial[state]) for state in plan.states]
    if gradients.x is not None:
        found.append(unpacked(schedule, gradients.x))
    return found


def fake_run(*given: Any) -> list[Tensor]:
    """Tensors as `run` gives them, with nothing in them."""
    arguments = Arguments(*given[:_COUNT])
    keeping, name, *more = given[_COUNT:]
    plan, x, states = plan_of(name), arguments.x, arguments.states
    steps, batch, _ = x.shape
    hidden = states[0].shape[1]
    outputs = [x.new_empty(steps, batch, hidden), *(x.new_empty(state.shape) for state in states)]
    if keeping:
        rows = steps * batch
        own = len(plan.states) - (arguments.lengths is None)
        outputs.append(x.new_empty(rows, plan.blocks(more == [True]) * hidden))
        outputs += [x.new_empty(rows, hidden) for _ in range(own)]
        outputs += [x.new_empty(plan.rows, rows)] if plan.rows else []
    return outputs


def fake_run_backward(*given: Any) -> list[Tensor]:
    """Tensors as `run_backward` gives them, contiguous, with nothing in them."""
    arguments, wants_x = Arguments(*given[:_COUNT]), given[-2]
    weights: Sequence[Tensor | None] = arguments[1:5]
    found = [*(t for t in weights if t is not None), *arguments.units, *arguments.states]
    return [arguments.x.new_empty(t.shape) for t in (*found, *([arguments.x] if wants_x else []))]
