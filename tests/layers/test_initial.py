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


INITS = ["uniform", "normal", "xavier", "orthogonal", "identity", "spectral", "sparse"]


def test_an_unknown_init_is_answered_with_the_nearest():
    with pytest.raises(ConfigError) as fault:
        engram.LSTM(I, H, init="ortogonal")
    assert str(fault.value) == (
        "init 'ortogonal' is not known: did you mean 'orthogonal'? accepted: "
        + ", ".join(sorted(INITS))
    )


def _blocks(layer, name="weight_hh_l0"):
    return [block.double() for block in getattr(layer, name).detach().split(layer.hidden_size)]


@pytest.mark.parametrize("init", INITS)
def test_scale_scales_the_recurrent_matrix(init):
    small, large = (
        engram.GRU(I, 40, init=init, init_scale=scale, dtype=torch.float64) for scale in (0.5, 1.0)
    )
    ratio = large.weight_hh_l0.detach().norm() / small.weight_hh_l0.detach().norm()
    assert ratio == pytest.approx(2.0, rel=0.15)  # other draws


@pytest.mark.parametrize("init", INITS[1:])
def test_biases_start_at_zero(init):
    layer = engram.LSTM(I, H, init=init)
    assert not layer.bias_ih_l0.any()
    assert not layer.bias_hh_l0.any()


def test_normal_has_its_deviation():
    layer = engram.RNN(60, 80, init="normal")
    for name in ("weight_ih_l0", "weight_hh_l0"):
        weight = getattr(layer, name).detach()
        assert weight.std() == pytest.approx(0.1, rel=0.05)
        assert weight.mean() == pytest.approx(0.0, abs=0.01)


def test_xavier_has_its_variance():
    layer = engram.LSTM(100, 50, init="xavier")
    for block in _blocks(layer, "weight_ih_l0"):
        assert float(block.var()) == pytest.approx(2 / (100 + 50), rel=0.1)
    for block in _blocks(layer):
        assert float(block.var()) == pytest.approx(2 / (50 + 50), rel=0.1)


@pytest.mark.parametrize("scale", [None, 0.01])
def test_identity(scale):
    layer = engram.RNN(I, H, nonlinearity="relu", init="identity", init_scale=scale)
    assert torch.equal(layer.weight_hh_l0, (scale or 1.0) * torch.eye(H))
    assert layer.weight_ih_l0.detach().std() == pytest.approx(0.001, rel=0.4)


def test_irnn_keeps_a_positive_state():
    layer = engram.RNN(I, H, nonlinearity="relu", init="identity", engine="reference")
    h0 = torch.rand(1, 2, H)
    _, h = layer(torch.zeros(100, 2, I), h0)
    assert_close(h, h0)


@pytest.mark.parametrize("init", ["spectral", "sparse"])
@pytest.mark.parametrize("radius", [None, 1.3])
@pytest.mark.parametrize("name", LAYERS)
def test_every_recurrent_block_has_the_spectral_radius(name, init, radius):
    make, _ = LAYERS[name]
    layer = make(I, 30, init=init, init_scale=radius)
    for block in _blocks(layer):
        reached = torch.linalg.eigvals(block).abs().max()
        assert reached == pytest.approx(radius or 0.95, rel=1e-4)


@pytest.mark.parametrize("hidden", [1, 9, 40])
def test_sparse_gives_each_unit_its_links(hidden):
    layer = engram.LSTM(I, hidden, init="sparse")
    links = (layer.weight_hh_l0 != 0).sum(dim=1)
    assert (links == min(15, hidden)).all()


@pytest.mark.parametrize("longest", [2, 3, 700])
def test_chrono_spreads_time_scales(longest):
    layer = engram.LSTM(I, 1000, chrono=longest, init="normal")
    both = (layer.bias_ih_l0 + layer.bias_hh_l0).detach()
    i, f, g, o = both.split(1000)
    assert torch.equal(i, -f)
    assert not g.any()
    assert not o.any()
    lags = f.exp()
    assert lags.min() >= 1.0 - 1e-5
    assert lags.max() <= longest - 1 + 1e-3
    assert lags.mean() == pytest.approx(longest / 2, rel=0.08)  # of U(1, T - 1)


def test_chrono_of_a_gate_that_does_both():
    layer = engram.GRU(I, 50, chrono=100)
    r, z, n = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().split(50)
    assert ((z >= 0) & (z <= torch.tensor(99.0).log())).all()
    assert len(z.unique()) > 40
    assert (r.abs() <= 2 * 50**-0.5).all()  # left as drawn
    assert (n.abs() <= 2 * 50**-0.5).all()


class Blind(Cell):
    gates = ("a",)
    recurrent = ()

    def step(self, x, r, s, w):
        return {"h": tanh(x.a + s.h)}


@pytest.mark.parametrize(
    ("make", "options", "texts"),
    [
        (
            engram.RNN,
            {"chrono": 50, "forget_bias": 1.0},
            [
                "chrono=50 was given, but Elman has no forget gate; leave it out",
                "forget_bias=1.0 was given, but Elman has no forget gate",
                "chrono=50 and forget_bias=1.0 both set the forget gate's bias; leave one out",
            ],
        ),
        (engram.LSTM, {"chrono": 1}, ["chrono is 1; it takes the longest lag in steps, 2 or mo"]),
        (engram.LSTM, {"chrono": 9, "bias": False}, ["chrono=9 needs biases; leave it out or"]),
        (engram.LSTM, {"init_scale": -1.0}, ["init_scale is -1.0; it takes a number above 0"]),
        (
            lambda *sizes, **options: engram.Recurrent(Blind(), *sizes, **options),
            {"init": "spectral"},
            ["init 'spectral' shapes the recurrent matrix, and Blind has none; use init 'xavier'"],
        ),
    ],
)
def test_what_a_cell_has_no_place_for_is_refused(make, options, texts):
    with pytest.raises(ConfigError) as fault:
        make(I, H, **options)
    assert all(text in str(fault.value) for text in texts)


@pytest.mark.parametrize("init", ["uniform", "normal", "xavier", "orthogonal"])
def test_a_cell_without_recurrent_matrix(init):
    layer = engram.Recurrent(Blind(), I, H, init=init)
    assert layer(torch.randn(3, 2, I))[0].isfinite().all()
