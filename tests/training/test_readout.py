"""Fitting a readout: batches, pieces and warm-up change nothing but what they say."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from engram.errors import DataError
from engram.layers import Reservoir
from engram.models.echo_state import EchoStateNetwork
from engram.training import readout
from engram.training.readout import ReadoutFit, driven


def _network(**options):
    return EchoStateNetwork(Reservoir(2, 20, density=0.3), 1, **options)


def _series(lengths=(40, 25, 60, 40), seed=0):
    draw = np.random.default_rng(seed)
    arrays = [draw.standard_normal((length, 2)) for length in lengths]
    return arrays, [np.roll(array[:, :1], 2) + 0.1 * array[:, 1:] ** 2 for array in arrays]


def _seen(network, arrays):
    """What the readout sees of each series, one by one."""
    found = []
    for array in arrays:
        x = torch.from_numpy(array)[:, None]
        found.append(network.features(x)[0][:, 0].numpy())
    return found


@pytest.mark.parametrize("most_bytes", [1 << 30, 40 * 20 * 8, 10 * 20 * 8])
def test_as_scikit_learn_on_all_series_together(most_bytes, monkeypatch):
    monkeypatch.setattr(readout, "_MOST_BYTES", most_bytes)
    network, (arrays, targets) = _network(), _series()
    fit = ReadoutFit(network, warm_up=15, ridge=0.01)
    fit.add(arrays, targets)
    assert fit.solve() == 0.01
    x = np.concatenate([seen[15:] for seen in _seen(network, arrays)])
    y = np.concatenate([target[15:, 0] for target in targets])
    expected = Ridge(alpha=0.01).fit(x, y)
    np.testing.assert_allclose(network.readout.weight[0].detach(), expected.coef_, rtol=1e-6)
    np.testing.assert_allclose(network.readout.bias[0].detach(), expected.intercept_, rtol=1e-6)
    state, _ = network.reservoir(torch.from_numpy(arrays[-1]))
    torch.testing.assert_close(network.end_state, state[-1])
    np.testing.assert_array_equal(network.end_output, targets[-1][-1])


@pytest.mark.parametrize("most_bytes", [1 << 30, 90 * 20 * 8, 10 * 20 * 8])
def test_every_step_is_driven_once(most_bytes, monkeypatch):
    monkeypatch.setattr(readout, "_MOST_BYTES", most_bytes)
    network, (arrays, _) = _network(), _series()
    found = [np.empty((0, 22)) for _ in arrays]
    for piece in driven(network, arrays):
        for row, place in enumerate(piece.places):
            assert piece.start == len(found[place])
            own = piece.features[: len(arrays[place]) - piece.start, row].numpy()
            found[place] = np.concatenate([found[place], own])
    for own, expected in zip(found, _seen(network, arrays), strict=True):
        np.testing.assert_allclose(own, expected, atol=1e-12)


@pytest.mark.parametrize("most_bytes", [1 << 30, 10 * 20 * 8])
def test_targets_are_fed_back_one_step_late(most_bytes, monkeypatch):
    monkeypatch.setattr(readout, "_MOST_BYTES", most_bytes)
    network = EchoStateNetwork(Reservoir(2, 20, density=0.3, feedback_size=1), 1)
    (array, *_), (target, *_) = _series()
    late = np.concatenate([np.zeros((1, 1)), target[:-1]])
    expected, _ = network.features(
        torch.from_numpy(array)[:, None], feedback=torch.from_numpy(late)[:, None]
    )
    found = torch.cat([piece.features for piece in driven(network, [array], [target])])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("ridge", [1e-3, None])
def test_series_added_bit_by_bit(ridge):
    arrays, targets = _series((40, 25, 60, 40, 33, 50))
    whole, parts = (ReadoutFit(_network(), 5, ridge) for _ in range(2))
    whole.add(arrays, targets)
    for place in range(0, 6, 2):
        parts.add(arrays[place : place + 2], targets[place : place + 2])
    assert whole.solve() == parts.solve()
    torch.testing.assert_close(whole.network.readout.weight, parts.network.readout.weight)


def test_the_last_fifth_of_each_series_is_held_out():
    fit = ReadoutFit(_network(), warm_up=10, ridge=None)
    fit.add(*_series((60, 35)))
    assert (fit._learnt.count, fit._held_out.count) == (40 + 20, 10 + 5)
    network = _network(summary="mean")
    fit = ReadoutFit(network, warm_up=10, ridge=None)
    arrays, _ = _series((8,) * 12)
    fit.add(arrays[:7], [np.zeros((1, 1))] * 7)
    fit.add(arrays[7:], [np.zeros((1, 1))] * 5)
    assert (fit._learnt.count, fit._held_out.count) == (10, 2)


def test_a_warm_up_that_leaves_nothing():
    with pytest.raises(DataError, match=r"X\[1\] has 25 steps, but warm_up=25 leaves none of them"):
        ReadoutFit(_network(), 25, 1.0).add(*_series())
