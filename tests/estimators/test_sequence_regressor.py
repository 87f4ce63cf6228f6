"""SequenceRegressor: scikit-learn's contract, ragged lists, texts, searches."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import engram
from engram.errors import ConfigError, DataError
from helpers.contract import checks_of

LENGTHS_DIFFER = "a row of a 2-D X is a sequence of single values, and sequences differ in length"
NOT_DEFINED = {
    "check_n_features_in_after_fitting": LENGTHS_DIFFER,
    "check_n_features_in": LENGTHS_DIFFER,
}
CHECKED = engram.SequenceRegressor(hidden=8, epochs=15, rate=0.02, batch=8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), checks_of(CHECKED, NOT_DEFINED))
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def _waves(count, seed=0):
    """How fast a wave swings, of any lengths."""
    draw = np.random.default_rng(seed)
    arrays, speeds = [], draw.uniform(0.2, 1.2, count)
    for speed in speeds:
        steps = int(draw.integers(15, 25))
        arrays.append(np.sin(draw.uniform(0, 6) + np.arange(steps) * speed)[:, None])
    return arrays, 1000 * speeds


SMALL = {"hidden": 16, "epochs": 20, "rate": 0.02, "batch": 16}


@pytest.mark.slow
@pytest.mark.parametrize("cost", ["mean-squared", "absolute"])
def test_ragged_lists(cost):
    series, y = _waves(200)
    model = engram.SequenceRegressor(cost=cost, **SMALL).fit(series, y)
    again, wanted = _waves(60, 1)
    assert model.score(again, wanted) > 0.9
    alone = model.predict(again[:1])
    np.testing.assert_allclose(alone, model.predict(again)[:1], rtol=1e-4)


def test_a_grid_over_ragged_lists():
    series, y = _waves(40)
    model = engram.SequenceRegressor(**SMALL | {"epochs": 1})
    search = GridSearchCV(model, {"cell": ["gru", "elman"]}, cv=2).fit(series, y)
    assert search.best_params_["cell"] in ("gru", "elman")
    assert clone(search.best_estimator_).get_params()["hidden"] == 16


@pytest.mark.slow
def test_texts():
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(["up", "down"], 5)) for _ in range(150)]
    y = [text.count("up") for text in texts]
    model = engram.SequenceRegressor(**SMALL).fit(texts, y)
    found = model.predict(["up up up up up", "down down down down down"])
    np.testing.assert_allclose(found, [5, 0], atol=0.7)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        ([1.0, 1.0, 1.0], "all . examples have the same target 1;"),
        ([1.0, 2.0], "X has 3 sequences and y 2 numbers"),
        ([1.0, np.nan, 2.0], r"y\[1\] is nan"),
        (["a", "b", "c"], "y contains texts; it takes numbers"),
    ],
)
def test_targets_that_cannot_be_learnt(y, said):
    with pytest.raises(DataError, match=said):
        engram.SequenceRegressor(**SMALL).fit(np.zeros((3, 4)), y)


def test_parameters_that_cannot_work_are_told_together():
    with pytest.raises(ConfigError, match=r"hidden is 0.*cost is 'mse'|cost.*hidden"):
        engram.SequenceRegressor(hidden=0, cost="mse").fit([[1.0], [2.0]], [0, 1])
