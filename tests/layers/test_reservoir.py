"""Reservoir: its law as a plain loop, on kernels and off them; drawing; what it refuses."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse
import torch

import engram
from engram.engine.cpu.runtime import sparse
from engram.errors import ConfigError
from engram.layers import Reservoir, spectrum

DTYPES = {torch.float32: 2e-5, torch.float64: 1e-12}


def _looped(reservoir, x, state, feedback=None):
    """The law, written out."""
    states = []
    for step, u in enumerate(x):
        brought = u @ reservoir.input_weights.t() + state @ reservoir.recurrent_weights.t()
        if feedback is not None:
            brought = brought + feedback[step] @ reservoir.feedback_weights.t()
        after = torch.tanh(brought + reservoir.bias)
        state = (1 - reservoir.leak) * state + reservoir.leak * after
        states.append(state)
    return torch.stack(states)


def _made(dtype=torch.float64, **options):
    options = {"leak": 0.4, "bias_scaling": 0.3, "density": 0.1, "seed": 3} | options
    return Reservoir(3, 60, dtype=dtype, **options)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("engine", ["auto", "cpu", "reference"])
@pytest.mark.parametrize("density", [0.1, 0.9], ids=["sparse", "dense"])
def test_states_are_those_of_the_law(density, engine, dtype):
    reservoir = _made(dtype, density=density, engine=engine, feedback_size=2)
    for batch in (1, 5):
        x, fed = torch.randn(9, batch, 3, dtype=dtype), torch.randn(9, batch, 2, dtype=dtype)
        initial = torch.randn(batch, 60, dtype=dtype)
        expected = _looped(reservoir, x, initial, fed)
        states, last = reservoir(x, initial, feedback=fed)
        torch.testing.assert_close(states, expected, rtol=0, atol=DTYPES[dtype])
        torch.testing.assert_close(last, expected[-1], rtol=0, atol=DTYPES[dtype])


def test_sparse_and_dense_kernels_agree(monkeypatch):
    reservoir = _made()
    x = torch.randn(20, 4, 3, dtype=torch.float64)
    found = {}
    for name in ("sparse", "dense"):
        monkeypatch.setattr(sparse, "worth_it", lambda *_, name=name: name == "sparse")
        called = []
        run = sparse.SparseCell.run
        with monkeypatch.context() as patch:
            patch.setattr(
                sparse.SparseCell, "run", lambda *a, run=run, c=called: [c.append(1), run(*a)][1]
            )
            found[name] = reservoir(x)[0]
        assert bool(called) == (name == "sparse")
    torch.testing.assert_close(found["sparse"], found["dense"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("density", [0.1, 0.9], ids=["sparse", "dense"])
def test_a_batch_is_its_series_one_by_one(density):
    reservoir = _made(density=density)
    x, lengths = torch.randn(11, 6, 3, dtype=torch.float64), [11, 3, 1, 7, 11, 2]
    states, last = reservoir(x, lengths=lengths)
    for row, length in enumerate(lengths):
        alone, end = reservoir(x[:length, row])
        assert alone.shape == (length, 60)
        torch.testing.assert_close(states[:length, row], alone, rtol=0, atol=1e-12)
        torch.testing.assert_close(last[row], end, rtol=0, atol=1e-12)
        assert not states[length:, row].any()


@pytest.mark.parametrize("density", [0.1, 0.9], ids=["sparse", "dense"])
@pytest.mark.parametrize("batch", [None, 1, 7])
def test_state_is_carried_on(batch, density):
    reservoir = _made(density=density)
    shape = (12, 3) if batch is None else (12, batch, 3)
    x = torch.randn(shape, dtype=torch.float64)
    whole, last = reservoir(x)
    first, state = reservoir(x[:5])
    second, end = reservoir(x[5:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(end, last, rtol=0, atol=1e-12)
    state = None
    for step, now in enumerate(x):
        state = reservoir.step(now, state)
        torch.testing.assert_close(state, whole[step], rtol=0, atol=1e-12)


def test_steps_with_feedback():
    reservoir = _made(feedback_size=2)
    x, fed = torch.randn(5, 4, 3, dtype=torch.float64), torch.randn(5, 4, 2, dtype=torch.float64)
    whole, _ = reservoir(x, feedback=fed)
    state = None
    for step in range(5):
        state = reservoir.step(x[step], state, feedback=fed[step])
        torch.testing.assert_close(state, whole[step], rtol=0, atol=1e-12)


def test_gradients_reach_input_and_state():
    reservoir = Reservoir(2, 7, density=0.5, leak=0.6)

    def states(x, state):
        return reservoir(x, state)[0]

    x = torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)
    state = torch.randn(2, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(states, (x, state))
    assert not list(reservoir.parameters())


def test_changed_weights_are_seen():
    reservoir = _made()
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    reservoir(x)
    other = _made(seed=4)
    reservoir.load_state_dict(other.state_dict())
    torch.testing.assert_close(reservoir(x)[0], other(x)[0])
    reservoir.recurrent_weights.zero_()
    torch.testing.assert_close(
        reservoir(x)[0], _looped(reservoir, x, torch.zeros(2, 60, dtype=torch.float64))
    )
    narrow = reservoir.float()
    assert narrow(x.float())[0].dtype == torch.float32


def test_copies_and_pickles():
    reservoir = _made()
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    expected = reservoir(x)[0]
    for again in (copy.deepcopy(reservoir), pickle.loads(pickle.dumps(reservoir))):
        assert torch.equal(again(x)[0], expected)


def test_what_is_drawn():
    reservoir = Reservoir(
        2, 400, spectral_radius=1.1, input_scaling=[0.5, 2.0], bias_scaling=0.3, density=0.05
    )
    assert reservoir.spectral_radius == pytest.approx(1.1)
    assert reservoir.density == pytest.approx(0.05, abs=0.005)
    assert int(torch.count_nonzero(reservoir.recurrent_weights)) == reservoir.density * 400**2
    bounds = reservoir.input_weights.abs().amax(dim=0).tolist()
    assert bounds == pytest.approx([0.5, 2.0], abs=0.02)
    assert float(reservoir.bias.abs().max()) == pytest.approx(0.3, abs=0.01)
    assert Reservoir(1, 50).spectral_radius == pytest.approx(0.9)


def test_the_same_seed_draws_the_same():
    for make in (lambda seed: seed, lambda seed: torch.Generator().manual_seed(seed)):
        a, b, c = (Reservoir(1, 30, seed=make(seed)) for seed in (5, 5, 6))
        assert torch.equal(a.recurrent_weights, b.recurrent_weights)
        assert not torch.equal(a.recurrent_weights, c.recurrent_weights)
    given = Reservoir(1, 30, seed=5, input_weights=np.ones((30, 1)))
    assert torch.equal(given.recurrent_weights, a.recurrent_weights)


def test_given_matrices_stay_as_they_are():
    matrix = scipy.sparse.random(20, 20, 0.3, "csr", rng=0)
    given = Reservoir(1, 20, recurrent_weights=matrix, bias=np.arange(20.0))
    np.testing.assert_array_equal(given.recurrent_weights, matrix.toarray())
    np.testing.assert_array_equal(given.bias, np.arange(20.0))
    scaled = Reservoir(1, 20, recurrent_weights=matrix.toarray(), spectral_radius=0.5)
    assert scaled.spectral_radius == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"units": 0}, "units is 0; it takes a whole number from 1"),
        ({"density": 0.0}, r"density is 0\.0; it takes a fraction above 0"),
        ({"leak": 0.0}, r"leak is 0\.0; it takes numbers above 0 and at most 1"),
        ({"leak": [0.5] * 9}, r"leak has shape \(9,\).*one for each unit: \(10,\)"),
        ({"spectral_radius": -1.0}, r"spectral_radius is -1\.0; it takes a number from 0"),
        ({"input_scaling": [1.0, 2.0]}, r"one for each feature: \(1,\)"),
        ({"input_scaling": float("nan")}, "input_scaling is nan; it takes finite numbers"),
        ({"recurrent_weights": np.ones((3, 3))}, r"recurrent_weights has shape \(3, 3\)"),
        ({"bias": [float("inf")] * 10}, "bias contains NaN or infinite values"),
        ({"dtype": torch.float16}, "dtype is torch.float16"),
        ({"engine": "gpx"}, "engine 'gpx' is not known"),
        ({"density": 1e-9}, "cannot be reached: the 0 recurrent weights"),
    ],
)
def test_settings_that_cannot_work(options, text):
    with pytest.raises(ConfigError, match=text):
        Reservoir(**({"input_size": 1, "units": 10} | options))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda r, x: r(x[..., :2]), "this layer has input_size=3"),
        (lambda r, x: r(x.float()), "convert one"),
        (lambda r, x: r(x, torch.zeros(2, 60)), r"it takes \(4, 60\) and torch.float64"),
        (lambda r, x: r(x, feedback=x), "this reservoir has feedback_size=0"),
        (lambda r, x: r(x, lengths=[1, 2, 3, 9]), r"lengths\[3\] is 9; a row takes 1 to T=5"),
        (lambda r, x: r.step(x), r"step\(\) got an input of shape \(5, 4, 3\)"),
        (lambda r, x: r.step(x[0], torch.zeros(4, 59).double()), r"it takes \(4, 60\)"),
        (lambda r, x: _made(feedback_size=2)(x), r"feedback is missing.*takes \(5, 4, 2\)"),
    ],
)
def test_calls_that_do_not_fit(call, text):
    with pytest.raises(ConfigError, match=text):
        call(_made(), torch.randn(5, 4, 3, dtype=torch.float64))


def test_it_is_a_public_name():
    assert engram.Reservoir is Reservoir
    assert spectrum.spectral_radius(np.eye(3)) == pytest.approx(1.0)
