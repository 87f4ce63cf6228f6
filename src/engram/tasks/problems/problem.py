"""What makes a synthetic problem: how examples are drawn, what is learnt, what is measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from engram.data.batching.batch import Batch
from engram.data.batching.lanes import IGNORED
from engram.settings import Settings

LENGTHS: dict[str, int | None] = {
    "adding": 100,
    "copy": 50,
    "temporal-order": 50,
    "latch": 50,
    "reber": None,
    "dyck": 40,
    "mackey-glass": 300,
    "narma10": 300,
}
# Settings that some problems alone have.
_OWN = {
    "symbols": ("temporal-order",),
    "noise": ("latch",),
    "kinds": ("dyck",),
    "depth": ("dyck",),
    "tau": ("mackey-glass",),
    "ahead": ("mackey-glass",),
    "warm_up": ("mackey-glass", "narma10"),
}


class ProblemSettings(Settings):
    """Which problem, and how hard."""

    problem: Literal[
        "adding",
        "copy",
        "temporal-order",
        "latch",
        "reber",
        "dyck",
        "mackey-glass",
        "narma10",
    ] = Field(description="what is to be learnt")
    length: int | None = Field(
        None,
        ge=1,
        description="steps of a sequence; of copy, those to be waited; default the problem's own",
    )
    symbols: int = Field(2, ge=2, le=3, description="temporal-order: symbols whose order counts")
    noise: float = Field(0.2, ge=0.0, description="latch: deviation of the noise")
    kinds: int = Field(2, ge=1, le=26, description="dyck: kinds of brackets")
    depth: int = Field(4, ge=1, description="dyck: brackets open at a time, at most")
    tau: int = Field(17, ge=1, description="mackey-glass: delay of its equation")
    ahead: int = Field(84, ge=1, description="mackey-glass: how many steps ahead is predicted")
    warm_up: int = Field(
        50, ge=0, description="mackey-glass, narma10: first steps, whose predictions do not count"
    )

    @property
    def steps(self) -> int:
        """The length, or the problem's own; 0 where sequences are as long as they come."""
        return self.length or LENGTHS[self.problem] or 0

    def contradictions(self) -> list[str]:
        """What does not go together, a sentence each."""
        faults = super().contradictions()
        if self.length is not None and LENGTHS[self.problem] is None:
            faults.append(
                f"length={self.length} is given, and strings of {self.problem} are as long as its "
                "grammar makes them; leave it out"
            )
        for name, problems in _OWN.items():
            value = getattr(self, name)
            if value != type(self).model_fields[name].default and self.problem not in problems:
                faults.append(
                    f"{name}={value} is of {' and '.join(problems)}, and the problem is "
                    f"{self.problem}; leave it out"
                )
        if self.problem in _OWN["warm_up"] and self.warm_up >= self.steps:
            faults.append(
                f"warm_up={self.warm_up} leaves nothing of {self.steps} steps; give more --length"
            )
        return faults


@dataclass(frozen=True)
class Examples(Batch):
    """Sequences side by side, and what is to be said of them.

    Attributes:
        inputs: ``(T, B, I)`` float32.
        targets: Of the problem's own shape; its last axis but those of an answer is ``B``.
        lengths: Steps of each, ``(B,)``, or None where all have T.
        aside: What measures need besides, or None.
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
"""``draw(count, generator)`` gives so many examples."""


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
