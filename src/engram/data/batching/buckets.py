"""Buckets: sequences of like length together in a batch, so that little of it is padding."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from engram.data.settings import BucketSettings
from engram.errors import DataError

_POOL = (
    50  # batches whose sequences are sorted together: like lengths, and yet another mix each time
)


@dataclass(frozen=True)
class Buckets:
    """Batches of sequences, in another order each epoch; see `training.source.Source`.

    An epoch shuffles all sequences, sorts stretches of them by length, cuts the stretches into
    batches that keep to both limits, and shuffles the batches. All of it follows from seed and
    epoch.

    Attributes:
        lengths: Steps of each sequence, ``(n,)`` int64.
        make: Makes a batch of the sequences with these numbers, ``(B,)`` int64, for this epoch.
        settings: The limits.
        seed: Of the order.

    Raises:
        DataError: For no sequences at all.
    """

    lengths: np.ndarray
    make: Callable[[np.ndarray, int], Any]
    settings: BucketSettings = field(default_factory=BucketSettings)
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.lengths) == 0:
            raise DataError("there are no sequences to train on; give at least one")

    @property
    def updates(self) -> int:
        """Batches of the first epoch; others have some more or fewer."""
        return self.updates_in(0)

    @property
    def tokens_per_update(self) -> int:
        """Steps of all sequences by the number of batches."""
        return round(int(self.lengths.sum()) / self.updates)

    def updates_in(self, epoch: int) -> int:
        """Batches of this epoch."""
        return len(self._plan(epoch))

    def batches(self, epoch: int, first: int = 0) -> Iterator[Any]:
        """The batches of an epoch, from the given one on."""
        for rows in self._plan(epoch)[first:]:
            yield self.make(rows.astype(np.int64), epoch)

    def _plan(self, epoch: int) -> list[np.ndarray]:
        """Which sequences go together, batch by batch; the last epochs asked for are kept."""
        kept = self._plans
        if epoch not in kept:
            while len(kept) > 1:
                kept.pop(next(iter(kept)))
            kept[epoch] = _shuffled(self.lengths, self.settings, self.seed, epoch)
        return kept[epoch]

    @cached_property
    def _plans(self) -> dict[int, list[np.ndarray]]:
        return {}


def _shuffled(
    lengths: np.ndarray, settings: BucketSettings, seed: int, epoch: int
) -> list[np.ndarray]:
    """The batches of an epoch, as numbers of sequences."""
    draw = np.random.default_rng([seed, epoch])
    order = draw.permutation(len(lengths))
    if len(order) <= np.iinfo(np.int32).max:
        order = order.astype(np.int32)  # half the memory, where sequences are many
    stretch = settings.batch * _POOL
    batches = []
    for start in range(0, len(order), stretch):
        part = order[start : start + stretch]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches += cut(part, lengths, settings)
    return [batches[index] for index in draw.permutation(len(batches))]


def cut(rows: np.ndarray, lengths: np.ndarray, settings: BucketSettings) -> list[np.ndarray]:
    """Cut numbers of sequences, sorted by length, into batches that keep to both limits."""
    batches, start = [], 0
    for stop, longest in enumerate(np.maximum(lengths[rows], 1).tolist(), start=1):
        count = stop - start
        if count > settings.batch or (count > 1 and count * longest > settings.batch_steps):
            batches.append(rows[start : stop - 1])
            start = stop - 1
    batches.append(rows[start:])
    return batches


def in_order(
    lengths: np.ndarray, make: Callable[[np.ndarray], Any], settings: BucketSettings
) -> Iterator[Any]:
    """Batches of every sequence once, for evaluation: sorted by length, so the order is another."""
    if len(lengths):
        for rows in cut(np.argsort(lengths, kind="stable"), lengths, settings):
            yield make(rows)
