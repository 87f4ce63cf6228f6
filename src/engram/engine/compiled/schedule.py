"""Schedule: which rows run at which step, and where they lie in memory.

Rows are ordered by falling length, so those that run at a step are the first of them; the rows of a
step follow one another (*packed rows*), step after step. Where all lengths are equal, packed rows
are simply ``(T, B)`` in order.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """The rows of a sequence of steps, in the order in which they run.

    Attributes:
        steps: T.
        batch: B.
        rows: N, packed rows in all.
        now: ``(T,)`` first packed row of each step.
        count: ``(T,)`` rows of each step.
        before: ``(T,)`` first packed row of the step that ran before.
        count_before: ``(T,)`` its rows; 0 for the first.
        starts, ends: Where each step's packed rows begin and end, as numbers.
        done: ``T + 1`` numbers: rows that have run before each step, and in all.
        order: ``(B,)`` which row of the batch stands at each place, or None for all in order.
        places: ``(N,)`` for each packed row, its row among ``(T·B,)``, or None for all in order.
        lengths: ``(B,)`` falling, or None where all are T.
        reverse: Whether steps run from the last to the first.
    """

    steps: int
    batch: int
    rows: int
    now: Tensor
    count: Tensor
    before: Tensor
    count_before: Tensor
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    done: tuple[int, ...]
    order: Tensor | None
    places: Tensor | None
    lengths: Tensor | None
    reverse: bool

    @property
    def room(self) -> int:
        """Packed rows that there may be at most, T·B: what a compiled graph expects."""
        return self.steps * self.batch

    def bounds(self, parts: int) -> Tensor:
        """``(parts + 1,)`` rows: where parts of about equal work begin, and the last ends."""
        if self.lengths is None:
            return _even_bounds(self.batch, parts)
        done = self.lengths.cumsum(0)
        goals = torch.arange(1, parts) * int(done[-1]) // parts
        inner = torch.searchsorted(done, goals, right=True)
        return torch.cat([torch.zeros(1, dtype=torch.int64), inner, torch.tensor([self.batch])])

    def most_rows(self, parts: int) -> int:
        """Rows of the largest of these parts."""
        if self.lengths is None:
            return -(-self.batch // parts)
        return int(self.bounds(parts).diff().max())


@lru_cache(maxsize=64)
def _even_bounds(batch: int, parts: int) -> Tensor:
    return torch.tensor([batch * part // parts for part in range(parts + 1)])


@lru_cache(maxsize=64)
def full_schedule(steps: int, batch: int, reverse: bool) -> Schedule:
    """The schedule of rows that are all as long as the time axis."""
    return _schedule(torch.full((steps,), batch), reverse, None, None, None)


def ragged_schedule(lengths: Tensor, steps: int, reverse: bool) -> Schedule:
    """The schedule of rows with lengths ``(B,)``, int64 in 1…T."""
    return _ragged_schedule(tuple(lengths.tolist()), steps, reverse)


# few: the reverse of a pass, and the layers of a stack, ask for what was just made
@lru_cache(maxsize=4)
def _ragged_schedule(rows: tuple[int, ...], steps: int, reverse: bool) -> Schedule:
    lengths = torch.tensor(rows)
    order = torch.argsort(lengths, descending=True, stable=True)
    ordered = lengths[order]
    runs = torch.arange(steps).unsqueeze(1) < ordered
    places = (torch.arange(steps).unsqueeze(1) * len(lengths) + order)[runs]
    return _schedule(runs.sum(1), reverse, order, places, ordered)


def _schedule(
    counts: Tensor,
    reverse: bool,
    order: Tensor | None,
    places: Tensor | None,
    lengths: Tensor | None,
) -> Schedule:
    starts = counts.cumsum(0) - counts
    if reverse:
        starts, counts = starts.flip(0), counts.flip(0)
    nothing = torch.zeros(1, dtype=torch.int64)
    return Schedule(
        steps=len(counts),
        batch=int(counts.max()),
        rows=int(counts.sum()),
        now=starts,
        count=counts,
        before=torch.cat([nothing, starts[:-1]]),
        count_before=torch.cat([nothing, counts[:-1]]),
        starts=tuple(starts.tolist()),
        ends=tuple((starts + counts).tolist()),
        done=(0, *counts.cumsum(0).tolist()),
        order=order,
        places=places,
        lengths=lengths,
        reverse=reverse,
    )
