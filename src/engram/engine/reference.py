"""The reference engine: a plain loop over time in torch. It is the oracle of every other engine.

Works on any device, for any floating dtype, and for double backward, because it is nothing but
differentiable torch operations.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from engram.cells.base import Cell, take_feed, take_step
from engram.engine.engine import Made, Request
from engram.engine.observe import observed_step
from engram.engine.sequence import Result, State, Weights, resets_in_running_order, valid_steps


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
    """Run a cell over a sequence, one layer in one direction.

    Args:
        cell: The equations.
        x: Input, ``(T, B, I)``.
        weights: Weights of this layer and direction.
        state: Initial states by name, ``(B, H)`` each.
        lengths: Valid steps of each row, ``(B,)`` integers in 1…T, or None for all.
        reset: Marks of sequence starts, ``(T, B)`` bool: the state is zero before a marked step.
        reverse: Run from the last step to the first.
        record: Keep the activation of every gate, and every state.

    Returns:
        Outputs and states; ``steps`` always, ``recording`` when asked for.
    """
    steps_total = x.shape[0]
    valid = None if lengths is None else valid_steps(lengths, steps_total).unsqueeze(2)
    if valid is not None:
        x = x.masked_fill(~valid, 0.0)
    projected = torch.nn.functional.linear(x, weights.input, weights.input_bias)
    clear = resets_in_running_order(reset, lengths, reverse)
    order = range(steps_total - 1, -1, -1) if reverse else range(steps_total)

    current = {name: state[name] for name in cell.states}
    steps: list[dict[str, Tensor]] = []
    gates_at: list[dict[str, Tensor]] = []
    for t in order:
        if clear is not None:
            cleared = clear[t].unsqueeze(1)
            current = {name: v.masked_fill(cleared, 0.0) for name, v in current.items()}
        units = dict(weights.units) | {name: mask[t] for name, mask in weights.masks.items()}
        after, gates = _step(cell, projected[t], weights, units, current, record)
        # of a padded step nobody reads them; a choice between two would be a node of its own
        steps.append(after)
        if valid is not None:
            after = {n: torch.where(valid[t], after[n], current[n]) for n in cell.states}
        current = after
        gates_at.append(gates)

    emitted = [step[cell.states[0]] for step in steps]
    output = torch.stack(emitted[::-1] if reverse else emitted)
    if valid is not None:
        output = output.masked_fill(~valid, 0.0)
    recording = {}
    if record:
        at_steps = [gates | step for gates, step in zip(gates_at, steps, strict=True)]
        in_time = at_steps[::-1] if reverse else at_steps
        for name in (*cell.gates, *cell.states):
            recording[name] = torch.stack([each[name] for each in in_time])
            if valid is not None:
                recording[name] = recording[name].masked_fill(~valid, 0.0)
    return Result(output, current, steps, recording)


def _step(
    cell: Cell,
    projected: Tensor,
    weights: Weights,
    w: dict[str, Tensor],
    state: dict[str, Tensor],
    record: bool,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """One step of all rows: the recurrent product, then the cell's equations."""
    x = dict(zip(cell.gates, projected.chunk(len(cell.gates), dim=1), strict=True))
    r = _recurrent(cell, state, weights, projected, late=False)

    def late(fed: dict[str, Tensor]) -> dict[str, Tensor]:
        return _recurrent(cell, fed, weights, projected, late=True)

    gates: dict[str, Tensor] = {}
    if record:
        after, gates = observed_step(cell, x, r, state, w, late)
    else:
        if cell.late:
            r |= late(take_feed(cell, x, r, state, w))
        after = take_step(cell, x, r, state, w)
    for name, value in after.items():
        if value.shape != state[name].shape:  # made of per-unit weights alone: as for every row
            after[name] = value.expand_as(state[name])
    return after, gates


def _recurrent(
    cell: Cell, fed: Mapping[str, Tensor], weights: Weights, like: Tensor, *, late: bool
) -> dict[str, Tensor]:
    """What the recurrent matrix brings to the gates that are late, or to those that are not."""
    feedback = [fed[name] for name in cell.recurrent] or [like[:, :0]]
    joined = feedback[0] if len(feedback) == 1 else torch.cat(feedback, dim=1)
    matrix, bias = weights.recurrent, weights.recurrent_bias
    places = [place for place, gate in enumerate(cell.gates) if (gate in cell.late) == late]
    if not places:
        return {}
    if len(places) < len(cell.gates):
        blocks = (len(cell.gates), -1)
        matrix = matrix.unflatten(0, blocks)[places].flatten(0, 1)
        bias = None if bias is None else bias.unflatten(0, blocks)[places].flatten()
    product = torch.nn.functional.linear(joined, matrix, bias)
    parts = product.chunk(len(places), dim=1)
    return {cell.gates[place]: part for place, part in zip(places, parts, strict=True)}


class ReferenceEngine:
    """The plain loop, which runs everything; see `Engine`."""

    name, reason = "reference", ""
    run = staticmethod(run)

    def obstacle(self, cell: Cell, request: Request) -> str | None:
        """None: it is the way that is left."""
        return None

    def compiled(self, cell: Cell, dtype: torch.dtype) -> tuple[Made, ...]:
        """Nothing is made for a cell."""
        return ()
