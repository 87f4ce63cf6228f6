"""Zoneout and recurrent dropout as settings of a layer."""

import pytest
import torch

import engram
from engram.cells import CELLS, GRU, LSTM, SLSTM, Elman, RecurrentDropout, make_cell
from engram.errors import ConfigError
from engram.layers.masks import draw

BOTH = {"zoneout": {"h": 0.1, "c": 0.4}, "recurrent_dropout": 0.3}


def _layer(cell=None, **options):
    torch.manual_seed(0)
    return engram.Recurrent(cell or LSTM(), 3, 8, **options).double()


def _input(steps=9, batch=4):
    return torch.randn(
        steps, batch, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_training_draws_anew_and_evaluation_does_not(engine):
    layer, x = _layer(engine=engine, **BOTH), _input()
    torch.manual_seed(5)
    first, second = layer(x)[0], layer(x)[0]
    torch.manual_seed(5)
    again = layer(x)[0]
    assert torch.equal(first, again)
    assert not torch.allclose(first, second)
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])


def test_engines_agree_on_the_same_masks():
    x, found = _input(), []
    for engine in ("cpu", "reference"):
        layer = _layer(engine=engine, num_layers=2, bidirectional=True, **BOTH)
        torch.manual_seed(7)
        out, (h, c) = layer(x, lengths=[9, 3, 1, 7])
        (out.square().sum() + h.sum() + c.cos().sum()).backward()
        found.append([out, h, c, *(p.grad for p in layer.parameters())])
    for ours, wanted in zip(*found, strict=True):
        torch.testing.assert_close(ours, wanted)


def test_nothing_asked_for_is_the_plain_layer():
    x, plain = _input(), _layer()
    layer = _layer(zoneout=0.0, recurrent_dropout=0.0)
    before = torch.get_rng_state()
    assert torch.equal(layer(x)[0], plain(x)[0])
    assert torch.equal(torch.get_rng_state(), before)
    assert layer.running_cell == LSTM()


def test_evaluation_of_recurrent_dropout_is_the_plain_layer():
    layer, plain = _layer(recurrent_dropout=0.5).eval(), _layer().eval()
    x = _input()
    assert torch.equal(layer(x)[0], plain(x)[0])


def test_evaluation_is_the_mean_of_one_step():
    layer, x = _layer(GRU(), zoneout=0.3), _input(1, 1)
    state = torch.randn(1, 1, 8, dtype=torch.float64)
    with torch.no_grad():
        torch.manual_seed(0)
        many = layer(x.expand(1, 40_000, 3), state.expand(1, 40_000, 8))[0].mean(1)
        wanted = layer.eval()(x, state)[0][0]
    torch.testing.assert_close(many, wanted, atol=0.02, rtol=0)


@pytest.mark.parametrize("name", [n for n in CELLS if n not in ("slstm", "elman", "elman-relu")])
@pytest.mark.filterwarnings("ignore:.*runs on the reference engine:UserWarning")
def test_chunks_and_steps_are_the_whole(name):
    layer = _layer(make_cell(name), num_layers=2, zoneout=0.2, recurrent_dropout=0.3).eval()
    x = _input()
    whole, after = layer(x)
    first, state = layer(x[:4])
    rest, state = layer(x[4:], state)
    torch.testing.assert_close(torch.cat([first, rest]), whole)
    torch.testing.assert_close(state, after)
    outputs, state = [], None
    for step in x:
        out, state = layer.step(step, state)
        outputs.append(out)
    torch.testing.assert_close(torch.stack(outputs), whole)
    torch.testing.assert_close(state, after)


def test_all_is_kept_with_nearly_certain_zoneout():
    layer, x = _layer(zoneout=0.999), _input()
    state = torch.randn(2, 1, 4, 8, dtype=torch.float64).unbind()
    torch.manual_seed(0)
    _, (h, c) = layer(x, tuple(state))
    kept = torch.cat([(h == state[0]).flatten(), (c == state[1]).flatten()]).double().mean()
    assert kept > 0.95


@pytest.mark.parametrize("learnt", [False, True])
def test_resets_and_records(learnt):
    layer = _layer(learn_initial_state=learnt, **BOTH)
    x, reset = _input(), torch.zeros(9, 4, dtype=torch.bool)
    reset[[2, 5], [0, 3]] = True
    out, _ = layer(x, reset=reset)
    out.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())
    recording = layer.eval().record(x, reset=reset)
    assert recording["layer0.f"].shape == (9, 4, 8)


def test_draw():
    torch.manual_seed(0)
    for p in (0.0, 0.1, 0.5, 0.95):
        ones = draw(torch.empty(0, dtype=torch.float64), (100, 7, 30), p)
        assert ones.dtype == torch.float64
        assert set(ones.unique().tolist()) <= {0.0, 1.0}
        assert abs(ones.mean().item() - p) < 0.01
    assert draw(torch.empty(0), (3, 1, 1), 0.5).shape == (3, 1, 1)


def test_faults():
    with pytest.raises(ConfigError, match=r"zoneout of h is 1.5.*recurrent_dropout is -0.1"):
        _layer(zoneout={"h": 1.5}, recurrent_dropout=-0.1)
    with pytest.raises(ConfigError, match=r"'k' of LSTM\(\).*declares no gate|'k' of LSTM"):
        _layer(zoneout={"k": 0.5})
    with pytest.raises(ConfigError, match="are only meaningful together"):
        _layer(SLSTM(), zoneout=0.1)
    with pytest.raises(ConfigError, match="declares no gate"):
        _layer(Elman(), recurrent_dropout=0.1)
    with pytest.raises(ConfigError, match="only draws those of its own settings"):
        _layer(RecurrentDropout(LSTM()))
