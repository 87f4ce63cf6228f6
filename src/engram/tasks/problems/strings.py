"""Problems of symbols, answered at each step: copy, the embedded Reber grammar, Dyck languages."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from engram.data.batching.lanes import IGNORED
from engram.data.builtin.synthetic import (
    copy,
    copy_baseline,
    dyck,
    embedded_reber,
    recalled,
    rightly_closed,
    successors_found,
)
from engram.data.builtin.synthetic.copy import LENGTH
from engram.data.builtin.synthetic.copy import SYMBOLS as COPIED
from engram.data.builtin.synthetic.reber import SYMBOLS
from engram.tasks.outlines.synthetic import ProblemSettings
from engram.tasks.problems.problem import Draw, Examples, Problem
from engram.training.losses import cross_entropy


def _loss(outputs: Tensor, examples: Examples) -> Tensor:
    return cross_entropy(outputs, examples.targets)


def _draw_copy(settings: ProblemSettings, _: int) -> Draw:
    def draw(count: int, generator: torch.Generator) -> Examples:
        read, said = copy(settings.steps, count, generator)
        return Examples(one_hot(read, COPIED + 2).float(), said)

    return draw


def _copy_measures(outputs: Tensor, examples: Examples) -> dict[str, float]:
    return {
        "recalled": recalled(outputs, examples.targets),
        "cross-entropy": float(_loss(outputs, examples)),
        "cross-entropy without memory": copy_baseline(len(outputs) - 2 * LENGTH),
    }


def _copy_rows(outputs: Tensor, examples: Examples) -> Iterator[dict[str, Any]]:
    given = outputs.argmax(dim=2)[-LENGTH:].T.tolist()
    wanted = examples.targets[-LENGTH:].T.tolist()
    for said, asked in zip(given, wanted, strict=True):
        yield {
            "asked": " ".join(map(str, asked)),
            "wanted": " ".join(map(str, asked)),
            "predicted": " ".join(map(str, said)),
            "right": said == asked,
        }


COPY = Problem(
    sizes=lambda _: (COPIED + 2, COPIED + 2),
    drawing=_draw_copy,
    loss=_loss,
    measures=_copy_measures,
    rows=_copy_rows,
)


def _draw_reber(_: ProblemSettings, __: int) -> Draw:
    def draw(count: int, generator: torch.Generator) -> Examples:
        symbols, lengths, legal = embedded_reber(count, generator)
        past = torch.arange(1, len(symbols)).unsqueeze(1) >= lengths
        return Examples(
            one_hot(symbols[:-1], len(SYMBOLS)).float(),
            symbols[1:].masked_fill(past, IGNORED),
            lengths - 1,
            legal,
        )

    return draw


def _legal(examples: Examples) -> Tensor:
    """Which symbols may come, ``(T, B, 7)``."""
    assert examples.aside is not None
    return examples.aside


def _reber_measures(outputs: Tensor, examples: Examples) -> dict[str, float]:
    found = successors_found(outputs, _legal(examples))
    asked = examples.targets != IGNORED
    return {
        "strings right": float(found.all(dim=0).double().mean()),
        "steps right": float(found[asked].double().mean()),
    }


def _reber_rows(outputs: Tensor, examples: Examples) -> Iterator[dict[str, Any]]:
    """For each step as many of the most likely symbols as may come."""
    legal, symbols = _legal(examples), examples.inputs.argmax(dim=2)
    assert examples.lengths is not None
    for row, length in enumerate(examples.lengths.tolist()):
        may = legal[:length, row]
        order = outputs[:length, row].argsort(dim=1, descending=True).tolist()
        said = [sorted(o[:count]) for o, count in zip(order, may.sum(1).tolist(), strict=True)]
        wanted = [step.nonzero()[:, 0].tolist() for step in may]
        yield {
            "asked": "".join(SYMBOLS[s] for s in symbols[:length, row]),
            "wanted": _sets(wanted),
            "predicted": _sets(said),
            "right": said == wanted,
        }


def _sets(steps: list[list[int]]) -> str:
    return " ".join("".join(SYMBOLS[s] for s in step) for step in steps)


REBER = Problem(
    sizes=lambda _: (len(SYMBOLS), len(SYMBOLS)),
    drawing=_draw_reber,
    loss=_loss,
    measures=_reber_measures,
    rows=_reber_rows,
)


def _draw_dyck(settings: ProblemSettings, _: int) -> Draw:
    def draw(count: int, generator: torch.Generator) -> Examples:
        brackets, distances = dyck(
            settings.steps, count, generator, kinds=settings.kinds, depth=settings.depth
        )
        inputs = one_hot(brackets[:-1], 2 * settings.kinds).float()
        return Examples(inputs, brackets[1:], aside=distances[1:])

    return draw


def _dyck_measures(outputs: Tensor, examples: Examples) -> dict[str, float]:
    assert examples.aside is not None
    closing = examples.aside > 0
    right = rightly_closed(outputs, examples.targets)[closing].double()
    sums = torch.zeros(len(outputs) + 1, dtype=torch.float64)
    sums.index_add_(0, examples.aside[closing], right)
    counts = examples.aside[closing].bincount(minlength=len(sums))
    by_distance = sums[counts > 0] / counts[counts > 0]
    return {
        "closing accuracy": float(right.mean()),
        "mean over distances": float(by_distance.mean()),
    }


def _dyck_rows(outputs: Tensor, examples: Examples) -> Iterator[dict[str, Any]]:
    """Strings, with those closing brackets in the answer that are most likely where one comes."""
    kinds = outputs.shape[2] // 2
    signs = "([{<)]}>" if kinds <= 4 else "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    half = len(signs) // 2
    signs = signs[:kinds] + signs[half : half + kinds]
    first = examples.inputs[0].argmax(dim=1, keepdim=True).T
    wanted = torch.cat([first, examples.targets])
    said = torch.where(
        examples.targets < kinds, examples.targets, kinds + outputs[..., kinds:].argmax(dim=2)
    )
    given = torch.cat([first, said])
    for one, other in zip(wanted.T.tolist(), given.T.tolist(), strict=True):
        yield {
            "asked": "".join(signs[bracket] if bracket < kinds else "_" for bracket in one),
            "wanted": "".join(signs[bracket] for bracket in one),
            "predicted": "".join(signs[bracket] for bracket in other),
            "right": one == other,
        }


DYCK = Problem(
    sizes=lambda settings: (2 * settings.kinds, 2 * settings.kinds),
    drawing=_draw_dyck,
    loss=_loss,
    measures=_dyck_measures,
    rows=_dyck_rows,
)
