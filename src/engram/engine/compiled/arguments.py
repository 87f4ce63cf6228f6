"""Arguments: what the operators of a cell begin with, and what its passes make of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engram.engine.compiled.inputs import Inputs
from engram.engine.compiled.packed_rows import in_order, packed
from engram.engine.compiled.plan import Plan
from engram.engine.compiled.schedule import Schedule, full_schedule, ragged_schedule
from engram.engine.sequence import Weights, resets_in_running_order
from engram.errors import ConfigError

# The same, as torch's operators declare it.
SIGNATURE = (
    "Tensor x, Tensor input, Tensor recurrent, Tensor? input_bias, Tensor? recurrent_bias, "
    "Tensor[] units, Tensor[] states, Tensor[] masks, Tensor? lengths, Tensor? reset, bool reverse"
)


class Arguments(NamedTuple):
    """What a cell runs on: one layer in one direction.

    Attributes:
        x: ``(T, B, I)``.
        input, recurrent, input_bias, recurrent_bias: As in `Weights`.
        units: Per-unit weights in the cell's order, ``(H,)`` each.
        states: Initial states in the cell's order, ``(B, H)`` each.
        masks: Numbers for each step and row in the cell's order, ``(T, B, H)`` each.
        lengths, reset, reverse: As in `reference.run`.
    """

    x: Tensor
    input: Tensor
    recurrent: Tensor
    input_bias: Tensor | None
    recurrent_bias: Tensor | None
    units: Sequence[Tensor]
    states: Sequence[Tensor]
    masks: Sequence[Tensor]
    lengths: Tensor | None
    reset: Tensor | None
    reverse: bool

    def row(self) -> list[Tensor | None]:
        """All tensors in one row, as autograd takes them; those whose number differs come last."""
        return [*self[:5], self.lengths, self.reset, *self.units, *self.states, *self.masks]

    def weights(self, plan: Plan) -> Weights:
        """The weights, by name."""
        units = dict(zip(plan.weights, self.units, strict=True))
        return Weights(*self[1:5], units, dict(zip(plan.masks, self.masks, strict=True)))

    def schedule(self, *, reverse: bool) -> Schedule:
        """Which rows run when.

        Raises:
            ConfigError: For a length outside 1…T.
        """
        steps, batch, _ = self.x.shape
        lengths = self.lengths
        if lengths is None:
            return full_schedule(steps, batch, reverse)
        if bool(((lengths < 1) | (lengths > steps)).any()):
            raise ConfigError(f"lengths holds {lengths.tolist()}; a row takes 1 to T={steps} steps")
        return ragged_schedule(lengths, steps, reverse)

    def inputs(self, plan: Plan) -> Inputs:
        """Everything in packed rows, contiguous, with its sign in memory.

        Raises:
            ConfigError: For a length outside 1…T.
        """
        schedule = self.schedule(reverse=self.reverse)
        clear = resets_in_running_order(self.reset, self.lengths, self.reverse)
        keep = None
        if clear is not None and bool(clear.any()):
            keep = packed(schedule, (~clear).to(torch.uint8).unsqueeze(2)).view(-1)
        input_bias, recurrent_bias = self.input_bias, self.recurrent_bias
        plain = Weights(
            self.input.contiguous().resolve_neg(),
            self.recurrent.contiguous().resolve_neg(),
            None if input_bias is None else input_bias.contiguous().resolve_neg(),
            None if recurrent_bias is None else recurrent_bias.contiguous().resolve_neg(),
            {
                name: value.contiguous().resolve_neg()
                for name, value in zip(plan.weights, self.units, strict=True)
            },
            {
                name: packed(schedule, value)
                for name, value in zip(plan.masks, self.masks, strict=True)
            },
        )
        initial = {
            name: in_order(schedule, state).contiguous().resolve_neg()
            for name, state in zip(plan.states, self.states, strict=True)
        }
        return Inputs(packed(schedule, self.x), plain, initial, keep, schedule)


def arguments_of(plan: Plan, row: Sequence[Any], reverse: bool) -> Arguments:
    """The arguments whose `Arguments.row` this is."""
    units = 7 + len(plan.weights)
    states = units + len(plan.states)
    lists: list[Any] = [list(row[7:units]), list(row[units:states]), list(row[states:])]
    return Arguments(*[*row[:5], *lists, *row[5:7], reverse])
