"""What makes a synthetic problem: how examples are drawn, what is learnt, what is measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engram.data.batching.batch import Batch
from engram.data.batching.lanes import IGNORED
from engram.tasks.outlines.synthetic import ProblemSettings


@dataclass(frozen=True)
class Examples(Batch):
    """Sequences side by side, and what is to be said of them.

    Attributes:
        inputs: ``(T, B, I)`` float32.
        targets: Of the problem's own shape; its last axis but those of an answer is ``B``.
        lengths: Steps of each, ``(B,)``, or None where all have T.
        aside: What measures need in addition, or None.
        share: See `Batch`.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None = None
    aside: Tensor | None = None
    share: float = 1.0

    @property
    def size(self) -> int:
        """How many sequences there are."""
        return self.inputs.shape[1]

    @property
    def count(self) -> int:
        """Steps of all sequences."""
        if self.lengths is not None:
            return int(self.lengths.sum())
        return self.inputs.shape[0] * self.inputs.shape[1]

    @property
    def terms(self) -> float:
        """Answers that count: those of all sequences, or of the steps that are asked."""
        if self.targets.is_floating_point():
            return float(self.size)
        return float((self.targets != IGNORED).sum())

    def of_rows(self, rows: slice) -> "Examples":
        """Some of the sequences; answers at all steps have them on their second axis."""
        own = self.targets[rows] if self.targets.dim() == 1 else self.targets[:, rows]
        return Examples(
            self.inputs[:, rows],
            own,
            None if self.lengths is None else self.lengths[rows],
            None if self.aside is None else self.aside[:, rows],
            self.share,
        )


Draw = Callable[[int, torch.Generator], Examples]
"""``draw(count, generator)`` gives that number of examples."""


@dataclass(frozen=True)
class Problem:
    """One synthetic problem.

    Attributes:
        sizes: ``sizes(settings)``: numbers of a step, and of an answer.
        drawing: ``drawing(settings, seed)``: what draws examples; the seed is of what several of
            them have in common.
        loss: ``loss(outputs, examples)``: what training lowers, the mean.
        measures: ``measures(outputs, examples)``: the problem's own figures, the most telling
            first.
        rows: ``rows(outputs, examples)``: for each example what was asked, wanted and predicted.
        at_end: Whether outputs are those of the last step, ``(B, O)``, and not of all,
            ``(T, B, O)``.
    """

    sizes: Callable[[ProblemSettings], tuple[int, int]]
    drawing: Callable[[ProblemSettings, int], Draw]
    loss: Callable[[Tensor, Examples], Tensor]
    measures: Callable[[Tensor, Examples], dict[str, float]]
    rows: Callable[[Tensor, Examples], Iterator[dict[str, Any]]]
    at_end: bool = False
