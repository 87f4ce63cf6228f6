import numpy as np
import torch

from engram.data.arrays.sequences import Sequences
from engram.data.batching.padding import padded


def test_rows_side_by_side():
    values = Sequences.of([np.full((n, 2), float(n)) for n in (1, 3, 2)])
    laid, lengths = padded(values, [1, 0])
    assert laid.shape == (3, 2, 2)
    assert lengths.tolist() == [3, 1]
    assert laid[:, 0].eq(3.0).all()
    assert laid[:, 1, 0].tolist() == [1.0, 0.0, 0.0]
    tokens = Sequences.of([np.array([5, 6]), np.array([7])])
    laid, lengths = padded(tokens, np.array([0, 1]), filler=9)
    assert laid.dtype == torch.int64
    assert laid.T.tolist() == [[5, 6], [7, 9]]
