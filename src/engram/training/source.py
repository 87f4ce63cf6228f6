"""What training takes in: batches from a source, and the objective that makes a loss of each."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from torch import Tensor, nn

from engram.models.many_to_many import State


class Source(Protocol):
    """What a model is trained on, such as `Lanes` and `Buckets`.

    A pass over the data is one epoch; its batches follow from the seed and the epoch alone, so that
    a training can go on within it. A batch is a `Batch` of all processes' rows, or a `Window` of
    the rows of this one.
    """

    @property
    def updates(self) -> int:
        """Batches of a usual epoch."""

    @property
    def tokens_per_update(self) -> int:
        """What counts in a usual batch."""

    def updates_in(self, epoch: int) -> int:
        """Batches of this epoch."""

    def batches(self, epoch: int, first: int = 0) -> Iterator[Any]:
        """The batches of an epoch, from the given one on."""


def planned_updates(source: Source, epochs: int, most: int | None) -> int:
    """Updates of a whole training.

    Args:
        source: What it is trained on.
        epochs: Passes over the data.
        most: Updates after which it ends in any case, so that later epochs need no planning.
    """
    total = 0
    for epoch in range(epochs):
        if most is not None and total >= most:
            break
        total += source.updates_in(epoch)
    return total if most is None else min(total, most)


Objective = Callable[[nn.Module, Any, State | None], tuple[Tensor, State | None]]
"""``objective(model, batch, state)`` gives the loss, and the state to carry to the next batch."""
