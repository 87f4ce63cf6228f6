"""Lanes: one long stream of tokens as B rows that go on where they stopped.

Row b of every window continues row b of the window before, so that the state can be carried
(truncated backpropagation through time; Williams and Peng 1990).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from engram.data.arrays.spool import let_go, stretches
from engram.data.augmentation.tokens import TokenNoise
from engram.data.batching.batch import on_device
from engram.data.text.tokens import END, Ids
from engram.errors import DataError

IGNORED = -100
_MOST_SCORES = 1 << 25  # of a window in evaluation: 128 MB
LEAST_STEPS = 5  # of a window whose length is drawn
_HALF = 0.05  # share of windows that are drawn around half the usual length


@dataclass(frozen=True)
class Window:
    """A stretch of all lanes, W steps long.

    Attributes:
        inputs: ``(W, B)`` int64.
        targets: ``(W, B)`` int64, what follows each input; `IGNORED` where nothing is asked.
        reset: ``(W, B)`` bool, where a document begins, or None where none does.
        lead: Steps at the start that run without a gradient.
        counted: Steps at the end whose loss counts.
        advance: The number of steps after which the state is the one that the next window starts
            from.
        share: Its steps since the last update, as a share of the usual number; the learning rate is
            scaled by it.
        count: Tokens that count, in the rows of all processes.
    """

    inputs: Tensor
    targets: Tensor
    reset: Tensor | None
    lead: int
    counted: int
    advance: int
    share: float = 1.0
    count: int = 0

    def to(self, device: torch.device | str) -> "Window":
        """The window with its tensors on a device."""
        return on_device(self, device)


@dataclass(frozen=True)
class Lanes:
    """Windows for truncated backpropagation with its two lengths.

    Every ``k1`` steps there is one update; its gradient flows back over the last ``k2`` steps, and
    its loss is that of the steps since the last update, as far as the gradient reaches them. With
    k1 = k2 these are the plain consecutive chunks.

    With a ``deviation`` the length of each window is drawn at random (Merity et al. 2018,
    AWD-LSTM), so that the cuts of truncation fall on other steps each time: from N(k1,
    deviation²), in 5 of 100 windows from N(k1/2, deviation²), and at least `LEAST_STEPS`. The mean
    loss of a short window would weigh its steps more than those of a long one; the learning rate,
    scaled by the length, undoes that. (ARTBP, Tallec and Ollivier 2017, draws lengths so that the
    gradient has no bias, and pays with a variance that grows with every rescaled step; here the
    bias of truncation stays what it is for k1 steps.)

    Attributes:
        ids: The stream, ``(N,)``.
        count: B, how many rows.
        k1: Steps between updates.
        k2: Steps that a gradient flows back; equal to k1, it means each window's own length.
        shift: Start each epoch at another place (drawn from seed and epoch), so that the cuts of
            truncation do not always fall on the same characters.
        seed: For the shift and the lengths.
        rows: Which of the rows are wanted, all by default; a process of several owns a part.
        noise: Changes the inputs of each window, or None; targets and resets stay true.
        deviation: Of the length of windows; 0 keeps it at k1.

    Raises:
        DataError: For a stream that is too short for B rows of k1 steps.
    """

    ids: Ids
    count: int
    k1: int
    k2: int
    shift: bool = False
    seed: int = 0
    rows: slice = field(default_factory=lambda: slice(None))
    noise: TokenNoise | None = None
    deviation: float = 0.0

    def __post_init__(self) -> None:
        need = self.count * self.k1 + 1
        if len(self.ids) < need:
            most = (len(self.ids) - 1) // self.k1
            lanes = f"use --lanes {most} or less, or " if most > 0 else "use "
            raise DataError(
                f"the training set has {len(self.ids):,} tokens, but {self.count} lanes of "
                f"{self.k1} steps need {need:,}: give more text, or {lanes}fewer --steps"
            )

    @property
    def updates(self) -> int:
        """Windows in an epoch, where each has the usual length."""
        return self._length // self.k1

    def updates_in(self, epoch: int) -> int:
        """Windows in this epoch."""
        return len(self._cuts(epoch)) - 1 if self.deviation else self.updates

    @property
    def tokens_per_update(self) -> int:
        """Tokens that count in a usual update, in the rows of all processes."""
        return self.count * min(self.k1, self.k2)

    @property
    def _length(self) -> int:
        """Steps of a lane. A shift of up to k1 - 1 needs room, where the stream has it."""
        plain = (len(self.ids) - 1) // self.count
        shifted = (len(self.ids) - 1 - (self.k1 - 1)) // self.count
        return shifted if self.shift and shifted >= self.k1 else plain

    def batches(self, epoch: int, first: int = 0) -> Iterator[Window]:
        """The windows of an epoch, from the given one on."""
        lanes = self._starts(epoch)
        cuts = self._cuts(epoch)
        for index in range(first, len(cuts) - 1):
            begin, stop = cuts[index], cuts[index + 1]
            after = cuts[index + 2] if index + 2 < len(cuts) else stop + self.k1
            reach = self._reach(begin, stop)
            start = min(begin, max(0, stop - reach))
            lead = max(0, stop - begin - reach)
            read = _gathered(self.ids, lanes + start, stop - start + 1)
            inputs, targets = read[:-1], read[1:]
            starts = document_starts(inputs)
            if self.noise is not None:
                # no two windows begin at one step of one epoch
                number = epoch * self._length + begin
                inputs = self.noise.apply(inputs, number, lanes=self.count, rows=self.rows)
            yield Window(
                inputs=inputs,
                targets=targets,
                reset=starts,
                lead=lead,
                counted=stop - begin - lead,
                advance=min(stop, max(0, after - self._reach(stop, after))) - start,
                share=(stop - begin) / self.k1,
                count=self.count * (stop - begin - lead),
            )

    def _cuts(self, epoch: int) -> list[int]:
        """The steps at which there is an update, from 0."""
        if not self.deviation:
            return list(range(0, self.updates * self.k1 + 1, self.k1))
        least = min(LEAST_STEPS, self.k1)
        most = self._length // least + 1  # windows
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) ^ (1 << 40))
        halved = torch.rand(most, generator=generator) < _HALF
        means = torch.where(halved, self.k1 / 2, float(self.k1))
        drawn = means + self.deviation * torch.randn(most, generator=generator)
        cuts = drawn.round().clamp_min(least).to(torch.int64).cumsum(0)
        return [0, *cuts[cuts < self._length].tolist(), self._length]

    def _reach(self, begin: int, stop: int) -> int:
        """Steps that the gradient of a window flows back."""
        return stop - begin if self.k2 == self.k1 else self.k2

    def _starts(self, epoch: int) -> np.ndarray:
        """Where each of the wanted rows starts in the stream, ``(B,)``."""
        length = self._length
        room = len(self.ids) - 1 - length * self.count
        offset = 0
        if self.shift:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            offset = int(torch.randint(min(self.k1, room + 1), (), generator=generator))
        return offset + length * np.arange(self.count)[self.rows]


def _gathered(ids: Ids, starts: np.ndarray, steps: int) -> Tensor:
    """A number of tokens from each start, ``(steps, B)`` int64; few are read of a large file."""
    read = np.empty((steps, len(starts)), dtype=np.int64)
    for row, start in enumerate(starts.tolist()):
        read[:, row] = ids[start : start + steps]
    let_go(ids)
    return torch.from_numpy(read)


def document_starts(inputs: Tensor) -> Tensor | None:
    """``(W, B)`` bool where END is read, which begins a document; None where that is nowhere."""
    starts = inputs == END
    return starts if bool(starts.any()) else None


def evaluation_windows(
    ids: Ids, rows: int = 16, steps: int = 256, overlap: int = 256, *, vocabulary: int = 1
) -> Iterator[Window]:
    """Every token of a stream, but the first, as a target once, in rows that run side by side.

    Each row starts ``overlap`` steps early, on text that is not counted, so that its state is warm
    as in one long stream.

    Args:
        ids: The stream, ``(N,)``.
        rows: Most rows.
        steps: Most steps of a window; rows have as many at least.
        overlap: Steps by which a row starts early.
        vocabulary: Scores that a model gives at each step; windows are shorter where they would be
            over 2²⁵ in all. The rows stay the same, and so does what is measured.

    Raises:
        DataError: For a stream of fewer than two tokens.
    """
    targets_total = len(ids) - 1
    if targets_total < 1:
        raise DataError(f"{len(ids)} tokens are too few to evaluate; give text with at least 2")
    rows = min(rows, max(1, targets_total // steps))
    length = -(-targets_total // rows)
    rows = -(-targets_total // length)  # so that each has a target
    warm = min(overlap, length) if rows > 1 else 0
    filler = 0  # any token but END, which would reset the state at every step
    for part in stretches(len(ids)):
        filler = max(filler, int(ids[part].max()))
        let_go(ids)
    steps = min(steps, max(1, _MOST_SCORES // (rows * vocabulary)))
    for start in range(0, warm + length, steps):
        stop = min(start + steps, warm + length)
        inputs = np.full((stop - start, rows), filler, dtype=np.int64)
        targets = np.full((stop - start, rows), IGNORED, dtype=np.int64)
        for row in range(rows):
            first = row * length  # the place of its first target's input in the stream
            last = min(first + length, targets_total)
            shift = first - warm
            begin = max(start, warm - min(warm, first))
            counted, end = max(start, warm), min(stop, warm + last - first)
            if begin < end:
                inputs[begin - start : end - start, row] = ids[begin + shift : end + shift]
            if counted < end:
                after = ids[counted + shift + 1 : end + shift + 1]
                targets[counted - start : end - start, row] = after
        let_go(ids)
        resets = inputs == END
        if start <= warm < stop:
            resets[warm - start, 0] = True  # the first row has nothing before it
        yield Window(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            reset=torch.from_numpy(resets) if resets.any() else None,
            lead=0,
            counted=stop - start,
            advance=stop - start,
        )
