"""Measure: check that two sides compute the same, then take their times in turns."""

import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.quiet import MOST_OTHERS, Watch

# A sample lasts at least this long, so that the clock and a thread's waking weigh little.
_SAMPLE_SECONDS = 0.05
# Threads that have nothing to do spin for some milliseconds; on two cores one side's threads would
# slow the other side down. After this pause they sleep.
_PAUSE_SECONDS = 0.025
_WARM_UP_CALLS = 2
# How often a measurement that other processes disturbed is taken, before it is kept as it is.
_ATTEMPTS = 3
# Largest difference of outputs, and of gradients relative to the largest of each gradient.
_TOLERANCES = {torch.float32: (1e-5, 1e-4), torch.float64: (1e-10, 1e-9)}


@dataclass(frozen=True)
class Side:
    """One of two sides that do the same work.

    Attributes:
        run: The work; it is timed.
        values: What it gave, as tensors that can be compared: the output first, then gradients.
    """

    run: Callable[[], Any]
    values: Callable[[Any], list[Tensor]] = list


@dataclass(frozen=True)
class Contest:
    """A peer and Engram on the same work.

    Attributes:
        alike: Whether both compute the same, so that it is checked; a variant of a cell does not.
    """

    peer: Side
    ours: Side
    alike: bool = True


@dataclass(frozen=True)
class Timing:
    """Seconds a call, one sample of each side per pair.

    Attributes:
        others: How many cores other processes kept busy meanwhile, where that is known.
    """

    peer_samples: list[float]
    our_samples: list[float]
    others: float | None = None

    @property
    def disturbed(self) -> bool:
        return (self.others or 0.0) > MOST_OTHERS

    @property
    def peer(self) -> float:
        return statistics.median(self.peer_samples)

    @property
    def ours(self) -> float:
        return statistics.median(self.our_samples)

    @property
    def ratio(self) -> float:
        return self.peer / self.ours


def check_agreement(contest: Contest, what: str) -> None:
    """Run both sides once; stop where they differ by more than rounding."""
    peer = contest.peer.values(contest.peer.run())
    ours = contest.ours.values(contest.ours.run())
    assert len(peer) == len(ours), f"{what}: {len(peer)} results of the peer, {len(ours)} of ours"
    absolute, relative = _TOLERANCES[ours[0].dtype]
    for place, (theirs, mine) in enumerate(zip(peer, ours, strict=True)):
        assert theirs.shape == mine.shape, f"{what}: result {place} has another shape"
        allowed = absolute if place == 0 else relative * float(theirs.abs().max())
        error = float((theirs - mine).abs().max())
        assert error <= allowed, f"{what}: result {place} differs by {error:.2g} ({allowed:.2g})"


def time_in_turns(contest: Contest, pairs: int) -> Timing:
    """Time peer, ours, peer, ours, …, after a warm-up of both; again if it was disturbed."""
    for _ in range(_ATTEMPTS):
        timing = _time_once(contest, pairs)
        if not timing.disturbed:
            break
    return timing


def _time_once(contest: Contest, pairs: int) -> Timing:
    calls = [_calls_in_a_sample(side.run) for side in (contest.peer, contest.ours)]
    peer_samples, our_samples = [], []
    watch = Watch()
    for _ in range(pairs):
        peer_samples.append(_sample(contest.peer.run, calls[0]))
        our_samples.append(_sample(contest.ours.run, calls[1]))
    return Timing(peer_samples, our_samples, watch.others())


def geometric_mean(values: Iterable[float]) -> float:
    return math.exp(statistics.fmean(math.log(value) for value in values))


def _calls_in_a_sample(run: Callable[[], Any]) -> int:
    """Warm a side up, and say how many of its calls make a sample."""
    for _ in range(_WARM_UP_CALLS):
        started = time.perf_counter()
        run()
        seconds = time.perf_counter() - started
    return math.ceil(_SAMPLE_SECONDS / seconds)


def _sample(run: Callable[[], Any], calls: int) -> float:
    """Seconds a call, over so many calls."""
    time.sleep(_PAUSE_SECONDS)
    if calls > 1:
        run()  # wakes the threads; beside a long call that costs nothing
    started = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - started) / calls
