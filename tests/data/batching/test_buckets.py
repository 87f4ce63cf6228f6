import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engram.data.batching.buckets import Buckets, BucketSettings, in_order
from engram.errors import DataError


def _buckets(lengths, batch=4, steps=40, seed=0):
    settings = BucketSettings(batch=batch, batch_steps=steps)
    return Buckets(np.array(lengths), lambda rows, _: rows.tolist(), settings, seed)


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=400),
    st.integers(1, 7),
    st.integers(1, 100),
    st.integers(0, 3),
)
def test_every_sequence_once_and_within_limits(lengths, batch, steps, epoch):
    buckets = _buckets(lengths, batch, steps)
    batches = list(buckets.batches(epoch))
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    assert len(batches) == buckets.updates_in(epoch)
    for rows in batches:
        longest = max(lengths[row] for row in rows)
        assert 1 <= len(rows) <= batch
        assert len(rows) == 1 or len(rows) * longest <= steps


def test_goes_on_within_an_epoch_and_shuffles_each_anew():
    buckets = _buckets(np.arange(100) % 9)
    whole = list(buckets.batches(3))
    list(buckets.batches(4))
    assert list(_buckets(np.arange(100) % 9).batches(3, first=5)) == whole[5:]
    assert list(buckets.batches(4)) != whole
    assert list(_buckets(np.arange(100) % 9, seed=1).batches(3)) != whole


def test_little_of_a_batch_is_padding():
    lengths = np.random.default_rng(0).integers(1, 100, 1000)
    batches = list(_buckets(lengths, batch=8, steps=10**6).batches(0))
    padded = sum(len(rows) * max(lengths[rows]) for rows in batches)
    assert padded < 1.1 * lengths.sum()
    longest_first = [max(lengths[rows]) for rows in batches]
    assert longest_first != sorted(longest_first)


def test_in_order_and_faults():
    settings = BucketSettings(batch=2)
    lengths = np.array([3, 1, 2])
    assert list(in_order(lengths, lambda rows: rows.tolist(), settings)) == [[1, 2], [0]]
    assert list(in_order(lengths[:0], lambda rows: rows, settings)) == []
    with pytest.raises(DataError, match="no sequences"):
        _buckets([])
