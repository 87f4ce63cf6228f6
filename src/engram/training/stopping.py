"""Early stopping: which evaluation was best, and when to give up."""

import math
from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """Watch a loss that should fall.

    Attributes:
        patience: Evaluations without a better one after which to stop, or None for never.
        best: The lowest loss so far.
        best_update: The update at which it was measured.
        waited: Evaluations since then.
    """

    patience: int | None = None
    best: float | None = None
    best_update: int = 0
    waited: int = 0

    def see(self, loss: float, update: int) -> bool:
        """Record an evaluation; returns whether it is the best so far, which NaN never is."""
        if not math.isnan(loss) and (self.best is None or loss < self.best):
            self.best, self.best_update, self.waited = loss, update, 0
            return True
        self.waited += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.waited >= self.patience
