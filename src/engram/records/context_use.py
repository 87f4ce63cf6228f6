"""The loss by context, as a record."""

from dataclasses import dataclass
from typing import ClassVar

from engram.records.record import Record


@dataclass(frozen=True)
class ContextUse(Record):
    """The loss by how many steps of context the model was given.

    Attributes:
        contexts: Steps of context, ascending.
        losses: Mean loss at each, always over the same targets.
        horizon: The least context from which on the loss stays within the tolerance of the full
            one, which is that of the longest context.
        tolerance: The share that defines the horizon.
        positions: How many targets.
    """

    name: ClassVar[str] = "context-use"

    contexts: list[int]
    losses: list[float]
    horizon: int
    tolerance: float
    positions: int

    @property
    def beyond(self) -> bool:
        """Whether only the longest context is within the tolerance, so that more may help."""
        return self.horizon == self.contexts[-1]
