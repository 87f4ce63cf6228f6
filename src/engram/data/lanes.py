"""Lanes: one long stream of tokens as B rows that go on where they stopped.

Row b of every window continues row b of the window before, so that the state can be carried
(truncated backpropagation through time; Williams and Peng 1990).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engram.data.augmentation.tokens import TokenNoise
from engram.data.tokens import END, Ids
from engram.errors import DataError

IGNORED = -100


@dataclass(frozen=True)
class Window:
    """A stretch of all lanes, W steps long.

    Attributes:
        inputs: ``(W, B)`` int64.
        targets: ``(W, B)`` int64, what follows each input; `IGNORED` where nothing is asked.
        reset: ``(W, B)`` bool, where a document begins, or None where none does.
        lead: Steps at the start that run without a gradient.
        counted: Steps at the end whose loss counts.
        advance: The state after so many steps is the one that the next window starts from.
    """

    inputs: Tensor
    targets: Tensor
    reset: Tensor | None
    lead: int
    counted: int
    advance: int


@dataclass(frozen=True)
class Lanes:
    """Windows for truncated backpropagation with its two lengths.

    Every ``k1`` steps there is one update; its gradient flows back over the last ``k2`` steps, and
    its loss is that of the steps since the last update, as far as the gradient reaches them. With
    k1 = k2 these are the plain consecutive chunks.

    Attributes:
        ids: The stream, ``(N,)``.
        count: B, how many rows.
        k1: Steps between updates.
        k2: Steps that a gradient flows back.
        shift: Start each epoch at another place (drawn from seed and epoch), so that the cuts of
            truncation do not always fall on the same characters.
        seed: For the shift.
        rows: Which of the rows are wanted, all by default; a process of several owns a part.
        noise: Changes the inputs of each window, or None; targets and resets stay true.

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

    def __post_init__(self) -> None:
        need = self.count * self.k1 + 1
        if len(self.ids) < need:
            most = (len(self.ids) - 1) // self.k1
            lanes = f"use --lanes {most} or less, or " if most > 0 else "use "
            raise DataError(
                f"the training part holds {len(self.ids):,} tokens, and {self.count} lanes of "
                f"{self.k1} steps need {need:,}: give more text, or {lanes}fewer --steps"
            )

    @property
    def updates(self) -> int:
        """Windows in an epoch."""
        return self._length // self.k1

    @property
    def _length(self) -> int:
        """Steps of a lane. A shift of up to k1 - 1 needs room, where the stream has it."""
        plain = (len(self.ids) - 1) // self.count
        shifted = (len(self.ids) - 1 - (self.k1 - 1)) // self.count
        return shifted if self.shift and shifted >= self.k1 else plain

    def windows(self, epoch: int, first: int = 0) -> Iterator[Window]:
        """The windows of an epoch, from the given one on."""
        lanes = self._lay_out(epoch)
        starts = lanes == END
        any_starts = starts.any(dim=1).tolist()
        k1, k2 = self.k1, self.k2
        for index in range(first, self.updates):
            stop = (index + 1) * k1
            start = min(stop - k1, max(0, stop - k2))
            following = min(stop, max(0, stop + k1 - k2))
            lead = max(0, k1 - k2)
            inputs = lanes[start:stop]
            if self.noise is not None:
                update = epoch * self.updates + index
                inputs = self.noise.apply(inputs, update, lanes=self.count, rows=self.rows)
            yield Window(
                inputs=inputs,
                targets=lanes[start + 1 : stop + 1],
                reset=starts[start:stop] if any(any_starts[start:stop]) else None,
                lead=lead,
                counted=k1 - lead,
                advance=following - start,
            )

    def _lay_out(self, epoch: int) -> Tensor:
        """``(length + 1, B)`` int64, of the wanted rows."""
        length = self._length
        room = len(self.ids) - 1 - length * self.count
        offset = 0
        if self.shift:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            offset = int(torch.randint(min(self.k1, room + 1), (), generator=generator))
        stream = torch.from_numpy(self.ids).to(torch.int64)
        starts = [offset + row * length for row in range(self.count)[self.rows]]
        return torch.stack([stream[s : s + length + 1] for s in starts], dim=1).contiguous()


def document_starts(inputs: Tensor) -> Tensor | None:
    """``(W, B)`` bool where END is read, which begins a document; None where that is nowhere."""
    starts = inputs == END
    return starts if bool(starts.any()) else None


def evaluation_windows(
    ids: Ids, rows: int = 16, steps: int = 256, overlap: int = 256
) -> Iterator[Window]:
    """Every token of a stream, but the first, as a target once, in rows that run side by side.

    Each row starts ``overlap`` steps early, on text that is not counted, so that its state is warm
    as in one long stream.

    Raises:
        DataError: For a stream of fewer than two tokens.
    """
    targets_total = len(ids) - 1
    if targets_total < 1:
        raise DataError(
            f"{len(ids)} tokens are too few to evaluate; at least 2 are needed: give more text"
        )
    rows = min(rows, max(1, targets_total // steps))
    length = -(-targets_total // rows)
    rows = -(-targets_total // length)  # so that each has a target
    warm = min(overlap, length) if rows > 1 else 0
    filler = int(ids.max())  # any token but END, which would reset the state at every step
    inputs = torch.full((warm + length, rows), filler, dtype=torch.int64)
    targets = torch.full((warm + length, rows), IGNORED, dtype=torch.int64)
    stream = torch.from_numpy(ids).to(torch.int64)
    for row in range(rows):
        start = row * length
        stop = min(start + length, targets_total)
        before = min(warm, start)
        inputs[warm - before : warm + stop - start, row] = stream[start - before : stop]
        targets[warm : warm + stop - start, row] = stream[start + 1 : stop + 1]
    resets = inputs == END
    resets[warm, 0] = True  # the first row has nothing before it
    for start in range(0, warm + length, steps):
        part = inputs[start : start + steps]
        reset = resets[start : start + steps]
        yield Window(
            inputs=part,
            targets=targets[start : start + steps],
            reset=reset if bool(reset.any()) else None,
            lead=0,
            counted=len(part),
            advance=len(part),
        )
