import numpy as np
import pytest

from engram.data.arrays.sequences import Sequences
from engram.errors import DataError


def test_gives_back_what_it_was_made_of() -> None:
    arrays = [np.arange(6.0).reshape(3, 2), np.zeros((0, 2)), np.ones((1, 2))]
    sequences = Sequences.of(arrays)
    assert len(sequences) == 3
    assert sequences.lengths.tolist() == [3, 0, 1]
    assert sequences.columns == ("value 1", "value 2")
    assert sequences.width == 2
    assert sequences.values.dtype == np.float32
    for given, kept in zip(arrays, sequences, strict=True):
        np.testing.assert_array_equal(given, kept)
    np.testing.assert_array_equal(sequences[-1], arrays[2])


def test_tokens_stay_whole_numbers() -> None:
    sequences = Sequences.of([np.array([3, 1]), np.array([2**24 + 1])])
    assert sequences.values.dtype == np.int32
    assert sequences[1].tolist() == [2**24 + 1]
    assert (sequences.columns, sequences.width) == ((), 1)


@pytest.mark.parametrize("indices", [[2, 0], [], [1, 1, 2]])
def test_take(indices: list[int]) -> None:
    arrays = [np.full((n, 1), float(n)) for n in (2, 3, 1)]
    taken = Sequences.of(arrays).take(indices)
    assert [each.tolist() for each in taken] == [arrays[i].tolist() for i in indices]
    assert taken.columns == ("value 1",)


def test_faults() -> None:
    with pytest.raises(DataError, match="give at least one"):
        Sequences.of([])
    with pytest.raises(DataError, match=r"shapes \(2, 1\) and \(2, 3\)"):
        Sequences.of([np.zeros((2, 1)), np.zeros((2, 3))])
    with pytest.raises(IndexError, match="sequence 1 of 1"):
        Sequences.of([np.zeros((2, 1))])[1]
