"""Problems that are answered at the end of a sequence: adding, temporal order, the latch."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from engram.data.builtin.synthetic import (
    adding,
    latch,
    latched,
    temporal_order,
    wrong_orders,
    wrong_sums,
)
from engram.tasks.outlines.synthetic import ProblemSettings
from engram.tasks.problems.problem import Draw, Examples, Problem
from engram.training.losses import binary_cross_entropy, cross_entropy, mean_squared

_INFORMED = 3  # first steps of the latch, which tell the class


def _draw_adding(settings: ProblemSettings, _: int) -> Draw:
    return lambda count, generator: Examples(*adding(settings.steps, count, generator))


def _adding_measures(outputs: Tensor, examples: Examples) -> dict[str, float]:
    return {
        "within 0.04": 1.0 - wrong_sums(outputs[:, 0], examples.targets),
        "mean squared error": float(mean_squared(outputs[:, 0], examples.targets)),
    }


def _adding_rows(outputs: Tensor, examples: Examples) -> Iterator[dict[str, Any]]:
    for row, wanted in enumerate(examples.targets.tolist()):
        numbers, marks = examples.inputs[:, row].unbind(dim=1)
        marked = numbers[marks > 0].tolist()
        given = outputs[row, 0].item()
        yield {
            "asked": " + ".join(f"{number:.3f}" for number in marked),
            "wanted": wanted,
            "predicted": given,
            "right": abs(given - wanted) <= 0.04,
        }


ADDING = Problem(
    sizes=lambda _: (2, 1),
    drawing=_draw_adding,
    loss=lambda outputs, examples: mean_squared(outputs[:, 0], examples.targets),
    measures=_adding_measures,
    rows=_adding_rows,
    at_end=True,
)


def _draw_order(settings: ProblemSettings, _: int) -> Draw:
    return lambda count, generator: Examples(
        *temporal_order(settings.steps, count, generator, symbols=settings.symbols)
    )


def _order_rows(outputs: Tensor, examples: Examples) -> Iterator[dict[str, Any]]:
    digits = outputs.shape[1].bit_length() - 1
    given = outputs.argmax(dim=1).tolist()
    tokens = examples.inputs.argmax(dim=2)
    for row, wanted in enumerate(examples.targets.tolist()):
        at = (tokens[:, row] < 2).nonzero()[:, 0].tolist()
        yield {
            "asked": " ".join(f"{'AB'[int(tokens[t, row])]} at {t + 1}" for t in at),
            "wanted": _order(wanted, digits),
            "predicted": _order(given[row], digits),
            "right": given[row] == wanted,
        }


def _order(number: int, digits: int) -> str:
    """A class as its symbols, such as ``ABA``."""
    return f"{number:0{digits}b}".replace("0", "A").replace("1", "B")


TEMPORAL_ORDER = Problem(
    sizes=lambda settings: (6, 2**settings.symbols),
    drawing=_draw_order,
    loss=lambda outputs, examples: cross_entropy(outputs, examples.targets),
    measures=lambda outputs, examples: {"accuracy": 1.0 - wrong_orders(outputs, examples.targets)},
    rows=_order_rows,
    at_end=True,
)


def _draw_latch(settings: ProblemSettings, _: int) -> Draw:
    """Noise, and an input of its own for each class at each of the first steps.

    What a network reads from these is learnt, as the paper's numbers by class and step are.
    """

    def draw(count: int, generator: torch.Generator) -> Examples:
        noise, classes = latch(
            settings.steps, count, generator, informed=_INFORMED, noise=settings.noise
        )
        steps = torch.arange(_INFORMED).unsqueeze(1)
        told = one_hot(2 * steps + classes, 2 * _INFORMED).float()
        told = pad(told, (0, 0, 0, 0, 0, settings.steps - _INFORMED))
        return Examples(torch.cat([noise.unsqueeze(2), told], dim=2), classes)

    return draw


def _latch_rows(outputs: Tensor, examples: Examples) -> Iterator[dict[str, Any]]:
    for given, wanted in zip(outputs[:, 0].tolist(), examples.targets.tolist(), strict=True):
        yield {
            "asked": f"class told {len(examples.inputs) - _INFORMED} steps ago",
            "wanted": wanted,
            "predicted": int(given > 0.0),
            "right": (given > 0.0) == wanted,
        }


LATCH = Problem(
    sizes=lambda _: (1 + 2 * _INFORMED, 1),
    drawing=_draw_latch,
    loss=lambda outputs, examples: binary_cross_entropy(outputs, examples.targets.unsqueeze(1)),
    measures=lambda outputs, examples: {"latched": latched(outputs[:, 0], examples.targets)},
    rows=_latch_rows,
    at_end=True,
)
