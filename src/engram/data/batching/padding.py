"""Padding: sequences of several lengths as one tensor."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engram.data.arrays.sequences import Sequences
from engram.data.arrays.spool import let_go


def padded(
    sequences: Sequences, rows: Sequence[int] | np.ndarray, filler: int = 0
) -> tuple[Tensor, Tensor]:
    """Lay some sequences side by side.

    Args:
        sequences: All of them.
        rows: Which, ``(B,)``.
        filler: What stands behind the end of a row.

    Returns:
        ``(T, B, F)`` float32, or ``(T, B)`` int64 for tokens (int64 too for F integers per
        step), with T the longest length; and the lengths, ``(B,)`` int64.
    """
    chosen = np.asarray(rows, dtype=np.int64)
    starts = sequences.offsets[chosen]
    lengths = sequences.offsets[chosen + 1] - starts  # and not the lengths of all
    longest = int(lengths.max(initial=0))
    values = sequences.values
    shape = (longest, len(chosen), *values.shape[1:])
    laid = np.full(shape, filler, dtype=np.int64 if values.dtype.kind == "i" else np.float32)
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        laid[:length, row] = values[start : start + length]
    let_go(values)
    return torch.from_numpy(laid), torch.from_numpy(lengths)
