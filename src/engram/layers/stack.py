"""Stack: the layers and directions of a recurrent layer, run one after another over a sequence."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from engram.cells.base import Cell
from engram.engine import Choice, Result, Weights
from engram.layers.dropout import drop
from engram.layers.restarts import Restarting, find_stretches


@dataclass(frozen=True)
class Pass:
    """One pass of a stack over a sequence.

    Attributes:
        output: ``(T, B, D·H)``, D directions joined.
        state: Final states in the cell's order, ``(L·D, B, H)`` each.
        results: What each layer and direction gave, by its name: ``layer0``, ``layer0_reverse``, ….
        weights: What each of them ran on, by the same names.
        lengths: ``(B,)`` int64, or None where all rows are T steps long.
        reset: ``(T, B)`` bool, or None.
    """

    output: Tensor
    state: tuple[Tensor, ...]
    results: dict[str, Result]
    weights: dict[str, Weights]
    lengths: Tensor | None
    reset: Tensor | None


class Stack(Protocol):
    """What a pass reads of a recurrent layer; see `Recurrent`."""

    cell: Cell
    training: bool
    num_layers: int
    dropout: float
    dropout_input: float
    dropout_output: float
    variational: bool
    residual: bool

    @property
    def running_cell(self) -> Cell: ...  # noqa: D102
    def suffixes(self, layer: int) -> list[str]: ...  # noqa: D102
    def weights_of(self, suffix: str, x: Tensor) -> Weights: ...  # noqa: D102
    def learnt_states(self) -> dict[str, Tensor]: ...  # noqa: D102


def run_stack(
    layer: Stack,
    x: Tensor,
    initial: tuple[Tensor, ...],
    lengths: Tensor | None,
    reset: Tensor | None,
    choice: Choice,
    record: bool,
) -> Pass:
    """Run all layers and directions.

    Args:
        layer: Whose.
        x: ``(T, B, I)``.
        initial: States in the cell's order, ``(L·D, B, H)`` each.
        lengths: ``(B,)`` int64, or None where all rows are T steps long.
        reset: ``(T, B)`` bool, or None.
        choice: The engine.
        record: Whether what gates and states did is kept.
    """
    results: dict[str, Result] = {}
    learnt = layer.learnt_states()
    stretches = find_stretches(reset, lengths) if learnt and reset is not None else None
    x = drop(x, layer.dropout_input, layer.training, layer.variational)
    used: dict[str, Weights] = {}
    cell = layer.running_cell
    for number in range(layer.num_layers):
        below = x
        if number > 0:
            x = drop(x, layer.dropout, layer.training, layer.variational)
        outputs = []
        for suffix in layer.suffixes(number):
            index = len(results)
            before = {
                name: values[index] for name, values in zip(layer.cell.states, initial, strict=True)
            }
            runner: Choice | Restarting = choice
            if stretches is not None:
                fresh = {name: values[index] for name, values in learnt.items()}
                runner = Restarting(choice, stretches, fresh)
            name = "layer" + suffix.removeprefix("_l")
            used[name] = layer.weights_of(suffix, x)
            result = runner.run(
                cell,
                x,
                used[name],
                before,
                lengths=lengths,
                reset=reset,
                reverse=suffix.endswith("_reverse"),
                record=record,
            )
            results[name] = result
            outputs.append(result.output)
        x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
        if layer.residual and number > 0:
            x = x + below
    x = drop(x, layer.dropout_output, layer.training, layer.variational)
    after = tuple(
        torch.stack([result.state[name] for result in results.values()])
        for name in layer.cell.states
    )
    return Pass(x, after, results, used, lengths, reset)
