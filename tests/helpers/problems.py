"""Random problems for an engine, and its answer: outputs, final states and all gradients."""

from dataclasses import dataclass

import torch

from engram.cells import Cell
from engram.engine import Weights


@dataclass
class Problem:
    """What an engine is given: every tensor of `tensors` is a leaf that takes a gradient.

    The cell's masks are numbers from 0 to 1, and take none.
    """

    cell: Cell
    tensors: dict[str, torch.Tensor]
    masks: dict[str, torch.Tensor]

    @property
    def x(self):
        return self.tensors["x"]

    @property
    def state(self):
        return {name: self.tensors[name] for name in self.cell.states}

    @property
    def weights(self):
        biases = self.tensors.get("input_bias"), self.tensors.get("recurrent_bias")
        units = {name: self.tensors[name] for name in self.cell.weights}
        return Weights(self.tensors["input"], self.tensors["recurrent"], *biases, units, self.masks)


def problem(cell, *, hidden=3, batch=2, steps=4, features=2, bias=True, dtype=torch.float64):
    """Draw a problem with non-zero initial states."""
    blocks = len(cell.gates) * hidden
    shapes = {
        "x": (steps, batch, features),
        "input": (blocks, features),
        "recurrent": (blocks, len(cell.recurrent) * hidden),
    }
    if bias:
        shapes |= {"input_bias": (blocks,), "recurrent_bias": (blocks,)}
    shapes |= dict.fromkeys(cell.states, (batch, hidden)) | dict.fromkeys(cell.weights, (hidden,))
    draw = torch.Generator().manual_seed(hidden + 10 * batch + 100 * steps)
    return Problem(
        cell,
        {
            name: (torch.randn(shape, generator=draw, dtype=torch.float64) * _scale(name, hidden))
            .to(dtype)
            .requires_grad_()
            for name, shape in shapes.items()
        },
        {
            name: torch.rand(steps, batch, hidden, generator=draw, dtype=torch.float64).to(dtype)
            for name in cell.masks
        },
    )


def _scale(name, hidden):
    """Small enough for many units that a rounding error does not grow from step to step."""
    return 0.5 if name != "recurrent" or hidden <= 7 else 1.0 / hidden**0.5


def answer(run, given, **options):
    """Run an engine; give output, final states, and gradients of a random sum of all of them."""
    result = run(given.cell, given.x, given.weights, given.state, **options)
    values = {"output": result.output} | {f"final {n}": v for n, v in result.state.items()}
    draw = torch.Generator().manual_seed(1)
    total = sum(
        (v * torch.randn(v.shape, generator=draw, dtype=torch.float64).to(v.dtype)).sum()
        for v in values.values()
    )
    gradients = torch.autograd.grad(total, list(given.tensors.values()))
    named = zip(given.tensors, gradients, strict=True)
    return {n: v.detach() for n, v in values.items()} | {f"gradient of {n}": g for n, g in named}


def row_lengths(batch, steps):
    """Unequal where there is room, the first row whole."""
    return torch.tensor([1 + (steps - 1 + 2 * row) % steps for row in range(batch)])


def short_lengths(batch, steps):
    """Every row shorter than the axis, where there is room."""
    return torch.tensor([1 + (3 * row) % max(steps - 1, 1) for row in range(batch)])


def reset_marks(batch, steps):
    """Marks in about a third of the steps, the first and those past any length among them."""
    draw = torch.Generator().manual_seed(steps)
    return torch.rand(steps, batch, generator=draw) < 0.35


MARKS = {
    "plain": lambda batch, steps: {},
    "lengths": lambda batch, steps: {"lengths": row_lengths(batch, steps)},
    "short": lambda batch, steps: {"lengths": short_lengths(batch, steps)},
    "reset": lambda batch, steps: {"reset": reset_marks(batch, steps)},
    "lengths and reset": lambda batch, steps: {
        "lengths": row_lengths(batch, steps),
        "reset": reset_marks(batch, steps),
    },
    "short and reset": lambda batch, steps: {
        "lengths": short_lengths(batch, steps),
        "reset": reset_marks(batch, steps),
    },
}
