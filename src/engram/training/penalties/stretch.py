"""What a recurrent layer did in one update: the part of it that penalties look at."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engram.engine.sequence import valid_steps
from engram.layers.stack import Pass


@dataclass(frozen=True)
class Stretch:
    """Successive passes of a layer in one update, those that carry a gradient, as one sequence.

    Attributes:
        passes: In the order in which they ran; each starts from the states of the one before.
    """

    passes: Sequence[Pass]

    @property
    def top(self) -> Tensor:
        """The emitted states of the last layer before any dropout, ``(T, B, D·H)``."""
        outputs = self.outputs
        both = any(name.endswith("_reverse") for name in outputs)
        return torch.cat([*outputs.values()][-2 if both else -1 :], dim=2)

    @property
    def outputs(self) -> dict[str, Tensor]:
        """The emitted state of every layer and direction by its name, ``(T, B, H)`` each."""
        return {
            name: torch.cat([each.results[name].output for each in self.passes])
            for name in self.passes[0].results
        }

    @property
    def linked(self) -> Tensor | None:
        """Whether step t + 1 goes on from step t, ``(T - 1, B)`` bool; None where all do."""
        if all(each.lengths is None and each.reset is None for each in self.passes):
            return None
        return torch.cat([_goes_on(each) for each in self.passes])[1:]


def mean_of_linked(values: Tensor, linked: Tensor | None) -> Tensor:
    """The mean of ``(T - 1, B)`` numbers, where a step that does not go on counts as 0.

    So the mean over processes that train together is that of one, however sequences fall on them.
    """
    if linked is not None:
        values = torch.where(linked, values, 0.0)
    return values.sum() / max(1, values.numel())


def _goes_on(passed: Pass) -> Tensor:
    """``(T, B)`` bool: steps within their row that no mark of a sequence start stands at."""
    steps, batch, _ = passed.output.shape
    on = passed.output.new_ones(steps, batch, dtype=torch.bool)
    if passed.lengths is not None:
        on = on & valid_steps(passed.lengths, steps)
    return on if passed.reset is None else on & ~passed.reset
