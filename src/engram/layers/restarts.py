"""Restarts: sequences that start in the middle of a row, from a learnt state.

Engines reset a state to zero where a sequence starts. To start from another state, the segments
between starts become rows of their own, which any engine can run; the outputs return to their
places.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engram.cells.base import Cell
from engram.engine import Choice, Result, Weights
from engram.engine.sequence import valid_steps


@dataclass(frozen=True)
class Stretches:
    """The positions of the S stretches of a batch, up to T' steps each, in order of rows and time.

    Attributes:
        source: ``(T', S)``, index among the T·B steps of each step of a stretch; 0 past its end.
        place: ``(T, B)``, index among the T'·S steps of each step; 0 past a row's length.
        valid: ``(T, B)`` bool, steps within a row's length.
        lengths: Steps of each stretch, ``(S,)``.
        row: The row of each stretch, ``(S,)``.
        first, last: The first and the last stretch of each row, ``(B,)``.
        marked: ``(S,)`` bool, whether it starts at a mark; only a row's first may not.
    """

    source: Tensor
    place: Tensor
    valid: Tensor
    lengths: Tensor
    row: Tensor
    first: Tensor
    last: Tensor
    marked: Tensor


def find_stretches(reset: Tensor, lengths: Tensor | None) -> Stretches:
    """Cut rows before each mark.

    Args:
        reset: Sequence starts, ``(T, B)`` bool.
        lengths: Valid steps of each row, ``(B,)``, or None for all.
    """
    steps, batch = reset.shape
    if lengths is None:
        lengths = torch.full((batch,), steps, device=reset.device)
    valid = valid_steps(lengths, steps)
    starts = reset & valid
    starts[0] = True
    time = torch.arange(steps, device=reset.device).unsqueeze(1).expand(steps, batch)
    row, begin = starts.T.nonzero(as_tuple=True)  # in order of rows, then of time
    count = starts.sum(0)
    last = count.cumsum(0) - 1
    first = last - count + 1
    ends = torch.cat([begin[1:], begin[:1]])
    ends[last] = lengths
    index = first + starts.cumsum(0) - 1  # the stretch of each step
    longest = int((ends - begin).max())
    within = torch.arange(longest, device=reset.device).unsqueeze(1)
    source = ((begin + within) * batch + row).masked_fill(within >= ends - begin, 0)
    place = ((time - begin[index]) * len(row) + index).masked_fill(~valid, 0)
    return Stretches(source, place, valid, ends - begin, row, first, last, reset[begin, row])


@dataclass(frozen=True)
class Restarting:
    """An engine that starts each sequence of a row from learnt states.

    Attributes:
        choice: The engine.
        at: The positions of the sequences.
        fresh: The states a sequence starts from, ``(H,)`` each.
    """

    choice: Choice
    at: Stretches
    fresh: Mapping[str, Tensor]

    def run(
        self,
        cell: Cell,
        x: Tensor,
        weights: Weights,
        state: Mapping[str, Tensor],
        *,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        reverse: bool = False,
        record: bool = False,
    ) -> Result:
        """Run the cell; arguments as in `reference.run`, ``lengths`` and ``reset`` as cut before.

        Returns:
            Outputs, final states and recording; no ``steps``.
        """
        at = self.at
        masks = {name: mask.flatten(0, 1)[at.source] for name, mask in weights.masks.items()}
        carried = at.last if reverse else at.first
        before = {}
        for name, given in state.items():
            rows = self.fresh[name].to(given.dtype).expand(len(at.row), -1)
            if not reverse:  # a mark on a row's first step discards the row's initial state
                given = torch.where(at.marked[at.first].unsqueeze(1), rows[at.first], given)
            before[name] = rows.index_copy(0, carried, given)
        result = self.choice.run(
            cell,
            x.flatten(0, 1)[at.source],
            replace(weights, masks=masks),
            before,
            lengths=at.lengths,
            reverse=reverse,
            record=record,
        )
        ended = at.first if reverse else at.last
        return Result(
            _put_back(result.output, at),
            {name: value[ended] for name, value in result.state.items()},
            recording={name: _put_back(value, at) for name, value in result.recording.items()},
        )


def _put_back(value: Tensor, at: Stretches) -> Tensor:
    """``(T', S, H)`` as ``(T, B, H)``, zero past a row's length."""
    return value.flatten(0, 1)[at.place].masked_fill(~at.valid.unsqueeze(2), 0.0)
