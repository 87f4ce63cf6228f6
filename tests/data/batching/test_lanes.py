"""Lanes: every step of the stream in its place, counted once; evaluation misses nothing."""

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engram.data.batching.lanes import IGNORED, Lanes, document_starts, evaluation_windows
from engram.data.text.tokens import END
from engram.errors import DataError
from engram.models.many_to_many import ManyToMany, ModelSettings
from engram.training.evaluation import stream_loss

ANY = hypothesis_settings(deadline=None, derandomize=True, max_examples=300)


def _stream(length, documents=0):
    """Distinct tokens, so that every one shows where it came from."""
    ids = np.arange(1, length + 1, dtype=np.int32)
    if documents:
        ids[:: length // documents] = END
    return ids


def _counted(windows, name="inputs"):
    """What the counted steps of all windows hold, one after the other: ``(T, B)``."""
    return torch.cat([getattr(w, name)[-w.counted :] for w in windows])


@pytest.mark.parametrize(
    ("k1", "k2", "lead", "counted", "starts", "advances"),
    [
        (4, 4, 0, 4, [0, 4, 8, 12], [4, 4, 4, 4]),
        (4, 1, 3, 1, [0, 4, 8, 12], [4, 4, 4, 4]),
        (4, 3, 1, 3, [0, 4, 8, 12], [4, 4, 4, 4]),
        (4, 6, 0, 4, [0, 2, 6, 10], [2, 4, 4, 4]),
        (4, 8, 0, 4, [0, 0, 4, 8], [0, 4, 4, 4]),
        (4, 11, 0, 4, [0, 0, 1, 5], [0, 1, 4, 4]),
        (4, 99, 0, 4, [0, 0, 0, 0], [0, 0, 0, 0]),
    ],
)
def test_windows_of_the_two_lengths(k1, k2, lead, counted, starts, advances):
    windows = list(Lanes(_stream(17), 1, k1, k2).batches(0))
    stops = [4, 8, 12, 16]
    for window, start, stop in zip(windows, starts, stops, strict=True):
        assert window.inputs[:, 0].tolist() == list(range(start + 1, stop + 1))
        assert window.targets[:, 0].tolist() == list(range(start + 2, stop + 2))
        assert (window.lead, window.counted) == (lead, counted)
    assert [w.advance for w in windows] == advances


@pytest.mark.slow
@ANY
@given(
    length=st.integers(7, 200),
    count=st.integers(1, 3),
    k1=st.integers(2, 40),
    k2=st.integers(1, 60),
    deviation=st.floats(0.5, 20.0),
    shift=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_drawn_windows_miss_nothing_and_carry_on(length, count, k1, k2, deviation, shift, seed):
    if length < count * k1 + 1:
        return
    ids = _stream(length)
    lanes = Lanes(ids, count, k1, k2, shift=shift, seed=seed, deviation=deviation)
    for epoch in (0, 1):
        windows = list(lanes.batches(epoch))
        assert len(windows) == lanes.updates_in(epoch)
        starts = [int(w.inputs[0, 0]) for w in windows]
        for window, start, following in zip(windows, starts, starts[1:], strict=False):
            assert start + window.advance == following
        for window in windows:
            steps = window.lead + window.counted
            assert len(window.inputs) - window.lead <= (steps if k1 == k2 else k2)
            assert window.share == pytest.approx(steps / k1)
            assert window.counted >= 1
        if k1 == k2:
            seen = torch.cat([w.inputs for w in windows])
            assert all((seen[1:] - seen[:-1] == 1).flatten())
            assert len(seen) == sum(w.counted for w in windows)
        for first in range(len(windows)):  # a run that goes on sees the same
            again = next(lanes.batches(epoch, first))
            assert torch.equal(again.inputs, windows[first].inputs)
            assert again.advance == windows[first].advance


def test_lengths_are_drawn_as_awd_lstm_draws_them():
    lanes = Lanes(_stream(200_000), 2, 70, 70, deviation=5.0)
    lengths = torch.tensor([float(w.counted) for w in lanes.batches(0)][:-1])
    assert torch.equal(lengths, torch.tensor([float(w.counted) for w in lanes.batches(0)][:-1]))
    short = lengths < 52
    assert float(short.double().mean()) == pytest.approx(0.05, abs=0.02)
    assert float(lengths[~short].mean()) == pytest.approx(70, abs=0.5)
    assert float(lengths[~short].std()) == pytest.approx(5, abs=0.5)
    assert float(lengths[short].mean()) == pytest.approx(35, abs=2)
    others = [w.counted for w in lanes.batches(1)]
    assert others[:20] != lengths[:20].tolist()
    assert [w.counted for w in Lanes(_stream(200_000), 2, 70, 70).batches(0)] == [70] * 1428


@ANY
@given(
    length=st.integers(2, 120),
    count=st.integers(1, 5),
    k1=st.integers(1, 9),
    k2=st.integers(1, 30),
    shift=st.booleans(),
    epoch=st.integers(0, 3),
)
def test_lanes_give_the_stream_back(length, count, k1, k2, shift, epoch):
    if length < count * k1 + 1:
        return
    lanes = Lanes(_stream(length), count, k1, k2, shift=shift, seed=5)
    windows = list(lanes.batches(epoch))
    assert len(windows) == lanes.updates >= 1
    position = 0
    for window in windows:
        start = window.inputs[0, 0]
        assert start == windows[0].inputs[0, 0] + position
        assert torch.equal(window.targets, window.inputs + 1)
        assert k2 > k1 or len(window.inputs) == window.lead + window.counted == k1
        assert window.counted == min(k1, k2)
        position += window.advance
    if k2 >= k1:
        inputs = _counted(windows)
        first = inputs[0]
        assert torch.equal(inputs, first + torch.arange(len(inputs)).unsqueeze(1))
        assert len(inputs) == lanes.updates * k1
        rows = [set(row.tolist()) for row in inputs.T]
        assert sum(map(len, rows)) == len(set().union(*rows))


@pytest.mark.parametrize(("k1", "k2"), [(5, 5), (5, 3), (5, 12)])
@pytest.mark.parametrize("rows", [slice(0, 2), slice(2, 4), slice(1, 4, 2)])
def test_a_part_of_the_rows_is_that_part(k1, k2, rows):
    stream = _stream(100, documents=9)
    whole = Lanes(stream, 4, k1, k2, shift=True, seed=3)
    part = Lanes(stream, 4, k1, k2, shift=True, seed=3, rows=rows)
    assert part.updates == whole.updates
    for ours, theirs in zip(part.batches(2), whole.batches(2), strict=True):
        assert torch.equal(ours.inputs, theirs.inputs[:, rows])
        assert torch.equal(ours.targets, theirs.targets[:, rows])
        expected = document_starts(theirs.inputs[:, rows])
        assert (ours.reset is None) == (expected is None)
        assert expected is None or torch.equal(ours.reset, expected)


def _first(stream, epoch, seed=0, shift=True):
    windows = Lanes(stream, 3, 20, 20, shift=shift, seed=seed).batches(epoch)
    return int(next(windows).inputs[0, 0])


def test_shift_is_drawn_from_seed_and_epoch():
    stream = _stream(500)
    offsets = [_first(stream, epoch) for epoch in range(12)]
    assert offsets == [_first(stream, epoch) for epoch in range(12)]
    assert len(set(offsets)) > 3
    assert offsets != [_first(stream, epoch, seed=1) for epoch in range(12)]
    assert [_first(stream, epoch, shift=False) for epoch in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("length", [61, 62, 79, 80, 81, 120])
def test_shift_stays_inside(length):
    for epoch in range(30):
        lanes = Lanes(_stream(length), 3, 20, 20, shift=True)
        windows = list(lanes.batches(epoch))
        assert int(windows[0].inputs.min()) >= 1
        assert int(windows[-1].targets.max()) <= length


@pytest.mark.parametrize(("k1", "k2"), [(7, 7), (7, 4), (7, 20)])
@pytest.mark.parametrize("first", [0, 1, 3, 5, 9])
def test_windows_from_a_later_one_on(k1, k2, first):
    lanes = Lanes(_stream(90, documents=4), 2, k1, k2, shift=True)
    later = list(lanes.batches(1, first=first))
    expected = list(lanes.batches(1))[first:]
    assert len(later) == len(expected)
    for ours, theirs in zip(later, expected, strict=True):
        assert torch.equal(ours.inputs, theirs.inputs)
        assert torch.equal(ours.targets, theirs.targets)
        assert (ours.lead, ours.counted, ours.advance) == (
            theirs.lead,
            theirs.counted,
            theirs.advance,
        )


@pytest.mark.parametrize(
    ("length", "count", "steps", "text"),
    [
        (40, 4, 10, "40 tokens, but 4 lanes of 10 steps need 41: give more text, or use --lanes 3"),
        (1200, 64, 100, "1,200 tokens, but 64 lanes of 100 steps need 6,401"),
        (5, 4, 10, "give more text, or use fewer --steps"),
        (0, 1, 1, "0 tokens, but 1 lanes of 1 steps need 2: give more text, or use fewer --steps"),
    ],
)
def test_too_short(length, count, steps, text):
    with pytest.raises(DataError) as caught:
        Lanes(_stream(length), count, steps, steps)
    assert text in str(caught.value)


def test_the_shortest_that_fits():
    assert Lanes(_stream(41), 4, 10, 10, shift=True).updates == 1


def test_document_starts():
    inputs = torch.tensor([[1, END], [END, 2], [3, 4]])
    starts = document_starts(inputs)
    assert starts is not None
    assert starts.tolist() == [[False, True], [True, False], [False, False]]
    assert document_starts(inputs[2:]) is None


def _check_evaluation(ids, rows, steps, overlap, evaluate=evaluation_windows):
    """Every token but the first is a target once, and warm text or a reset comes before it."""
    windows = list(evaluate(ids, rows, steps, overlap))
    inputs = torch.cat([w.inputs for w in windows])
    targets = torch.cat([w.targets for w in windows])
    assert all(len(w.inputs) <= steps for w in windows)
    asked = (targets != IGNORED).nonzero().tolist()
    found = sorted(int(targets[t, b]) for t, b in asked)
    assert found == list(range(2, len(ids) + 1))
    assert all(inputs[t, b] == targets[t, b] - 1 for t, b in asked)
    reset = torch.cat([torch.zeros_like(w.inputs, dtype=torch.bool) if w.reset is None else w.reset
                       for w in windows])  # fmt: skip
    for row in range(inputs.shape[1]):
        steps_asked = [t for t, b in asked if b == row]
        begin = steps_asked[0]
        assert steps_asked == list(range(begin, begin + len(steps_asked)))
        if row == 0:
            assert bool(reset[begin, 0])
        else:
            before = inputs[:begin, row].tolist()
            first = int(inputs[begin, row])
            assert before == list(range(first - begin, first))
    assert int(reset.sum()) == 1


@ANY
@given(
    length=st.integers(2, 90),
    rows=st.integers(1, 20),
    steps=st.integers(1, 12),
    overlap=st.integers(0, 15),
)
@example(length=14, rows=16, steps=1, overlap=0)
@example(length=2, rows=16, steps=256, overlap=256)
def test_evaluation_asks_for_every_token_once(length, rows, steps, overlap):
    _check_evaluation(_stream(length), rows, steps, overlap)


def test_a_planted_fault_in_evaluation_is_found():
    def missing(ids, rows, steps, overlap):
        return list(evaluation_windows(ids, rows, steps, overlap))[:-1]

    with pytest.raises(AssertionError):
        _check_evaluation(_stream(50), 3, 5, 5, missing)


def test_evaluation_resets_at_documents():
    ids = _stream(40, documents=4)
    for window in evaluation_windows(ids, rows=2, steps=8, overlap=4):
        starts = window.inputs == END
        reset = torch.zeros_like(starts) if window.reset is None else window.reset
        assert bool((reset | ~starts).all())


def test_evaluation_of_a_stream_of_nothing_but_ends():
    targets = [w.targets for w in evaluation_windows(np.zeros(5, dtype=np.int32), steps=2)]
    assert int((torch.cat(targets) == END).sum()) == 4


@pytest.mark.parametrize("length", [0, 1])
def test_too_short_to_evaluate(length):
    with pytest.raises(DataError) as caught:
        list(evaluation_windows(_stream(length)))
    assert str(caught.value) == (
        f"{length} tokens are too few to evaluate; give text with at least 2"
    )


@pytest.mark.parametrize("documents", [1, 7])
def test_rows_side_by_side_measure_as_one_stream_does(documents):
    model = ManyToMany(12, ModelSettings(hidden=16))
    generator = np.random.default_rng(0)
    ids = generator.integers(1, 12, 2000).astype(np.int32)
    ids[:: 2000 // documents] = END
    one = stream_loss(model, evaluation_windows(ids, rows=1, steps=64))
    chunked = stream_loss(model, evaluation_windows(ids, rows=1, steps=7))
    side_by_side = stream_loss(model, evaluation_windows(ids, rows=8, steps=64, overlap=64))
    cold = stream_loss(model, evaluation_windows(ids, rows=8, steps=64, overlap=0))
    assert chunked == pytest.approx(one, abs=1e-6)
    assert side_by_side == pytest.approx(one, abs=1e-6)
    assert abs(cold - one) > 1e-6


@pytest.mark.parametrize("vocabulary", [1, 60_000, 10_000_000])
@pytest.mark.parametrize("length", [300, 5000])
def test_windows_follow_the_vocabulary_and_the_score_does_not(vocabulary, length):
    ids = _stream(length) % 7 + 1
    usual = list(evaluation_windows(ids))
    found = list(evaluation_windows(ids, vocabulary=vocabulary))
    assert max(w.inputs.numel() for w in found) * vocabulary <= max(1 << 25, 16 * vocabulary)
    for name in ("inputs", "targets"):
        whole = torch.cat([getattr(window, name) for window in usual])
        assert torch.equal(torch.cat([getattr(window, name) for window in found]), whole)
    model = ManyToMany(8, ModelSettings(cell="lstm", hidden=8))
    one, two = stream_loss(model, usual), stream_loss(model, found)
    assert one == pytest.approx(two, rel=1e-6)
