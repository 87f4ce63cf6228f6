"""Initial weights: the effective forget bias, orthogonal blocks, and the refusals."""

import pytest
import torch
from torch.testing import assert_close

import engram
from engram.cells import Cell
from engram.cells.language import sigmoid, tanh
from engram.errors import ConfigError

I, H = 4, 6  # noqa: E741


class Minimal(Cell):
    gates = ("n", "f")
    weights = ("peephole",)
    forget_gate = "f"

    def step(self, x, r, s, w):
        f = sigmoid(x.f + r.f + w.peephole * s.h)
        return {"h": f * s.h + (1 - f) * tanh(x.n + r.n)}


LAYERS = {
    "lstm": (engram.LSTM, 1),
    "gru": (engram.GRU, 1),
    "user": (lambda *sizes, **options: engram.Recurrent(Minimal(), *sizes, **options), 1),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("init", ["uniform", "orthogonal"])
@pytest.mark.parametrize("value", [1.0, -2.5, 0.0])
def test_forget_bias_is_the_sum_of_both_biases(name, init, value):
    make, block = LAYERS[name]
    layer = make(I, H, num_layers=2, bidirectional=True, init=init, forget_bias=value)
    for suffix in ("_l0", "_l0_reverse", "_l1", "_l1_reverse"):
        both = getattr(layer, "bias_ih" + suffix) + getattr(layer, "bias_hh" + suffix)
        for index, effective in enumerate(both.split(H)):
            assert (effective == value).all() == (
                index == block or (init, value) == ("orthogonal", 0.0)
            )


def test_without_forget_bias_the_default_stands():
    torch.manual_seed(5)
    layer = engram.LSTM(I, H)
    torch.manual_seed(5)
    assert_close(
        dict(engram.LSTM(I, H, forget_bias=None).named_parameters()), dict(layer.named_parameters())
    )


def test_a_wide_open_forget_gate_keeps_the_state():
    layer = engram.GRU(I, H, forget_bias=40.0)
    h0 = torch.randn(1, 2, H)
    _, h = layer(torch.randn(9, 2, I), h0)
    assert_close(h, h0)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_forget_bias_is_refused_without_a_forget_gate(nonlinearity):
    with pytest.raises(ConfigError, match=r"forget_bias=1.0 was given, but Elman has no forget ga"):
        engram.RNN(I, H, nonlinearity=nonlinearity, forget_bias=1.0)


@pytest.mark.parametrize("kind", [engram.LSTM, engram.GRU])
def test_forget_bias_is_refused_without_biases(kind):
    with pytest.raises(ConfigError, match=r"forget_bias=1.0 needs biases; leave it out or set bia"):
        kind(I, H, bias=False, forget_bias=1.0)


@pytest.mark.parametrize("name", LAYERS)
def test_orthogonal_recurrent_blocks(name):
    make, _ = LAYERS[name]
    layer = make(I, H, num_layers=2, bidirectional=True, init="orthogonal", dtype=torch.float64)
    for key, weight in layer.named_parameters():
        if key.startswith("weight_hh"):
            for block in weight.split(H):
                assert_close(block @ block.T, torch.eye(H, dtype=torch.float64))
        elif key.startswith("weight_ih"):
            bound = (6 / (weight.shape[1] + H)) ** 0.5
            assert 0 < weight.abs().max() <= bound
        else:
            assert (weight == 0).all()


def test_reset_parameters_draws_again():
    layer = engram.LSTM(I, H, forget_bias=1.0)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    layer.reset_parameters()
    assert not torch.equal(layer.weight_hh_l0, before["weight_hh_l0"])
    assert torch.equal(layer.bias_ih_l0[H : 2 * H], before["bias_ih_l0"][H : 2 * H])


def test_an_unknown_init_is_answered_with_the_nearest():
    text = "init 'ortogonal' is not known: did you mean 'orthogonal'? accepted: orthogonal, uniform"
    with pytest.raises(ConfigError) as fault:
        engram.LSTM(I, H, init="ortogonal")
    assert str(fault.value) == text
