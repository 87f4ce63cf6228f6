"""Batches of windows at random places of series, for training."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engram.data.panels.outlook import Outlook
from engram.data.panels.panel import Panel
from engram.data.panels.windows import WindowBatch, windows

_LEAST_BATCHES = 10  # of an epoch; one short series would make a batch of three windows else


@dataclass(frozen=True)
class Windows:
    """Batches of windows at random places of series; see `training.source.Source`.

    An epoch covers all steps once on average, and has `_LEAST_BATCHES` batches or more. What a
    batch holds follows from seed, epoch and its number.
    """

    panel: Panel
    outlook: Outlook
    scales: np.ndarray
    window: int
    batch: int
    seed: int

    @property
    def updates(self) -> int:
        """Batches of an epoch."""
        return max(_LEAST_BATCHES, -(-int(self._counts.sum()) // self.batch))

    @property
    def tokens_per_update(self) -> int:
        """Steps of a batch."""
        longest = np.minimum(self.panel.lengths, self.window)
        return round(float(np.average(longest, weights=self._counts)) * self.batch)

    def updates_in(self, epoch: int) -> int:
        """Batches of this epoch: as many as of any."""
        return self.updates

    def batches(self, epoch: int, first: int = 0) -> Iterator[WindowBatch]:
        """The batches of an epoch, from the given one on."""
        counts = self._counts
        ends = np.cumsum(counts)
        draw = np.random.default_rng([self.seed, epoch])
        rounds = -(-self.updates * self.batch // int(ends[-1]))
        order = np.concatenate([draw.permutation(int(ends[-1])) for _ in range(rounds)])
        for number in range(first, self.updates):
            chosen = order[number * self.batch : (number + 1) * self.batch]
            series = np.searchsorted(ends, chosen, side="right")
            lengths = np.minimum(self.panel.lengths[series], self.window)
            places = (chosen - (ends - counts)[series]) * self.window
            moved = np.random.default_rng([self.seed, epoch, number]).integers(
                -self.window // 2, self.window // 2, len(chosen), endpoint=True
            )
            starts = np.clip(places + moved, 0, self.panel.lengths[series] - lengths)
            yield windows(self.panel, self.outlook, self.scales, series, starts, lengths)

    @cached_property
    def _counts(self) -> np.ndarray:
        """Windows that cover each series once, ``(n,)``."""
        return -(-self.panel.lengths // self.window)
