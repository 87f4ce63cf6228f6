"""Ridge: scikit-learn's solution, from sums that may be taken in pieces."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from engram.errors import ConfigError, DataError
from engram.layers.ridge import RIDGES, Moments, choose_ridge, solve


def _rows(count=200, features=12, outputs=3, offset=5.0, seed=0, noise=0.3):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, features, generator=generator, dtype=torch.float64) + offset
    weights = torch.randn(features, outputs, generator=torch.Generator().manual_seed(9))
    errors = torch.randn(count, outputs, generator=generator, dtype=torch.float64)
    return x, x @ weights.double() + noise * errors - 7.0


def _moments(x, y, size=64):
    moments = Moments(x.shape[1], y.shape[1])
    for start in range(0, len(x), size):
        moments.add(x[start : start + size], y[start : start + size])
    return moments


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_as_scikit_learn(ridge, offset):
    x, y = _rows(offset=offset)
    expected = Ridge(alpha=ridge, solver="svd").fit(x.numpy(), y.numpy())
    for size in (7, 1000):
        weights, bias = solve([_moments(x, y, size)], ridge)
        np.testing.assert_allclose(weights, expected.coef_, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(bias, expected.intercept_, rtol=1e-6, atol=1e-6)


def test_pieces_together_are_all_rows():
    x, y = _rows()
    whole = solve([_moments(x, y)], 0.1)
    parts = solve([_moments(x[:150], y[:150]), _moments(x[150:], y[150:])], 0.1)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b)


def test_float32_rows_are_summed_in_float64():
    x, y = _rows(offset=100.0)
    expected = Ridge(alpha=1.0).fit(x.float().double().numpy(), y.float().double().numpy())
    weights, _ = solve([_moments(x.float(), y.float())], 1.0)
    np.testing.assert_allclose(weights, expected.coef_, rtol=1e-8)


@pytest.mark.parametrize("case", ["twin", "few rows", "constant"])
def test_features_that_depend_on_each_other(case):
    x, y = _rows(count=5 if case == "few rows" else 200)
    if case == "twin":
        x[:, 3] = 2.0 * x[:, 7]
    elif case == "constant":
        x[:, 3] = 1.5
    with pytest.raises(
        ConfigError,
        match=r"no unique solution with ridge=0: its 12 features depend on each other over \d+ "
        r"rows; set ridge to \de-\d+ or more, or to 'auto'",
    ):
        solve([_moments(x, y)], 0.0)
    weights, _ = solve([_moments(x, y)], 1e-6)
    assert bool(torch.isfinite(weights).all())


def test_the_chosen_ridge_errs_least_on_rows_held_out():
    x, y = _rows(count=30, features=25, noise=3.0)
    unseen_x, unseen_y = _rows(count=400, features=25, seed=1, noise=3.0)
    learnt = _moments(x, y)
    chosen = choose_ridge(learnt, _moments(unseen_x, unseen_y))
    errors = {}
    for ridge in RIDGES:
        model = Ridge(alpha=ridge, solver="svd").fit(x.numpy(), y.numpy())
        wrong = (model.predict(unseen_x.numpy()) - unseen_y.numpy()) ** 2
        errors[ridge] = (wrong.mean(axis=0) / y.numpy().var(axis=0)).sum()
    assert chosen == min(errors, key=errors.__getitem__)
    assert RIDGES[0] < chosen < RIDGES[-1]


def test_rows_that_cannot_be_used():
    x, y = _rows()
    x[3, 4] = float("nan")
    with pytest.raises(DataError, match="a state or a target is NaN or infinite"):
        _moments(x, y)
    with pytest.raises(DataError, match=r"no rows are left.*shorter warm_up"):
        solve([Moments(3, 1)], 1.0)
