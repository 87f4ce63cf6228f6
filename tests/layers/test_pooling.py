"""Pooling of a sequence into one vector: by hand, under lengths, and in both directions."""

import pytest
import torch
from torch.testing import assert_close

import engram
from engram.errors import ConfigError
from engram.layers import Pooling

T, B, I, H = 6, 4, 3, 5  # noqa: E741
LENGTHS = [6, 1, 4, 3]
KINDS = ["last", "mean", "max", "attention"]
by_kind = pytest.mark.parametrize("kind", KINDS)
by_direction = pytest.mark.parametrize("bidirectional", [False, True])


def _layers(kind, bidirectional):
    size = H * (1 + bidirectional)
    rnn = engram.LSTM(I, H, bidirectional=bidirectional, dtype=torch.float64)
    return rnn, Pooling(kind, size, bidirectional=bidirectional, dtype=torch.float64)


@by_direction
def test_last_is_the_final_state_of_both_directions(bidirectional):
    rnn, pool = _layers("last", bidirectional)
    output, (h, _) = rnn(torch.randn(T, B, I, dtype=torch.float64), lengths=LENGTHS)
    pooled, weights = pool(output, lengths=LENGTHS)
    assert weights is None
    assert_close(pooled, torch.cat(list(h), dim=1))


@pytest.mark.parametrize(("kind", "take"), [("mean", torch.mean), ("max", torch.amax)])
def test_mean_and_max_are_of_the_valid_steps(kind, take):
    output = -torch.rand(T, B, H) - 1  # so that a zero of padding would be the largest
    for row, length in enumerate(LENGTHS):
        output[length:, row] = 0
    pooled, _ = Pooling(kind, H)(output, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        assert_close(pooled[row], take(output[:length, row], dim=0))


@by_kind
@by_direction
def test_padded_is_each_row_alone(kind, bidirectional):
    rnn, pool = _layers(kind, bidirectional)
    x = torch.randn(T, B, I, dtype=torch.float64)
    output, _ = rnn(x, lengths=LENGTHS)
    pooled, _ = pool(output, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        alone, _ = pool(rnn(x[:length, row : row + 1])[0])
        assert_close(pooled[row], alone[0])


@by_kind
def test_padding_touches_neither_value_nor_gradient(kind):
    pool = Pooling(kind, H)
    output = torch.randn(T, B, H)
    clean, _ = pool(output, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        output[length:, row] = torch.nan
    output.requires_grad_()
    pooled, _ = pool(output, lengths=LENGTHS)
    assert_close(pooled, clean)
    (gradient,) = torch.autograd.grad(pooled.square().sum(), output)
    for row, length in enumerate(LENGTHS):
        assert gradient[:length, row].isfinite().all()
        assert (gradient[length:, row] == 0).all()


@by_kind
def test_gradients_are_finite_differences(kind):
    pool = Pooling(kind, 4, bidirectional=True, dtype=torch.float64)
    output = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: pool(x, lengths=[3, 2])[0], [output])


def test_attention_says_where_it_looked():
    pool = Pooling("attention", H)
    output = torch.randn(T, B, H)
    pooled, weights = pool(output, lengths=LENGTHS)
    assert weights.shape == (B, T)
    assert_close(torch.einsum("bt,tbf->bf", weights, output), pooled)


FAULTS = [
    (
        lambda: Pooling("lasst", H),
        "pooling 'lasst' is not known: did you mean 'last'? accepted: attention, last, max, mean",
    ),
    (
        lambda: Pooling("last", H, bidirectional=True),
        "size is 5, and two directions give an even number of features; give 2·H, or set bidirec",
    ),
    (
        lambda: Pooling("mean", H)(torch.zeros(T, B, I)),
        "output has shape (6, 4, 3); it takes (T, B, F) with F=5",
    ),
    (
        lambda: Pooling("max", H)(torch.zeros(T, B, H), lengths=[0, 1, 1, 1]),
        "lengths[0] is 0; a row takes 1 to T=6 steps",
    ),
]


@pytest.mark.parametrize(("call", "text"), FAULTS, ids=[text[:40] for _, text in FAULTS])
def test_faults(call, text):
    with pytest.raises(ConfigError) as fault:
        call()
    assert str(fault.value).startswith(text)
