"""SequenceClassifier: scikit-learn's contract, ragged lists, texts, searches."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import engram
from engram.errors import ConfigError, DataError
from helpers.contract import checks_of

LENGTHS_DIFFER = "a row of a 2-D X is a sequence of single values, and sequences differ in length"
NOT_DEFINED = {
    "check_classifiers_train": LENGTHS_DIFFER,
    "check_n_features_in_after_fitting": LENGTHS_DIFFER,
    "check_n_features_in": LENGTHS_DIFFER,
}
CHECKED = engram.SequenceClassifier(hidden=8, epochs=15, rate=0.02, batch=8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), checks_of(CHECKED, NOT_DEFINED))
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def _waves(count, seed=0):
    draw = np.random.default_rng(seed)
    arrays, labels = [], []
    for _ in range(count):
        steps, label = int(draw.integers(8, 20)), int(draw.integers(2))
        phase = draw.uniform(0, 6) + np.arange(steps) * (0.4, 1.2)[label]
        arrays.append(np.stack([np.sin(phase), draw.normal(size=steps)], axis=1))
        labels.append(label)
    return arrays, np.array(labels)


SMALL = {"hidden": 8, "epochs": 12, "rate": 0.02}


@pytest.mark.slow
def test_ragged_lists_and_labels_of_any_kind():
    series, y = _waves(150)
    model = engram.SequenceClassifier(**SMALL).fit(series, y)
    again, wanted = _waves(60, 1)
    assert model.score(again, wanted) > 0.9
    assert model.predict_proba(again).shape == (60, 2)
    numbered = clone(model).fit(series, np.array([3, 11])[y])  # whose names sort the other way
    assert numbered.classes_.tolist() == [3, 11]
    assert numbered.score(again, np.array([3, 11])[wanted]) > 0.9
    named = clone(model).fit(series, np.array(["slow", "fast"])[y])
    assert named.classes_.tolist() == ["fast", "slow"]
    np.testing.assert_array_equal(
        named.predict(again) == "fast", clone(model).fit(series, 1 - y).predict(again) == 0
    )


@pytest.mark.slow
def test_a_grid_over_ragged_lists():
    series, y = _waves(60)
    search = GridSearchCV(engram.SequenceClassifier(**SMALL), {"cell": ["gru", "elman"]}, cv=2)
    search.fit(series, y)
    assert search.best_params_["cell"] in ("gru", "elman")
    assert 0.0 <= search.best_score_ <= 1.0


def test_texts():
    draw = np.random.default_rng(0)
    y = draw.integers(2, size=120)
    texts = [f"{draw.choice(['a', 'the'])} film is {['bad', 'good'][label]}" for label in y]
    model = engram.SequenceClassifier(pooling="attention", **SMALL).fit(texts, y)
    assert model.predict(["this film is good", "this film is bad"]).tolist() == [1, 0]
    assert not hasattr(model, "n_features_in_")


def test_missing_values_are_refused_or_taken():
    series, y = _waves(40)
    series[3][2, 0] = np.nan
    with pytest.raises(DataError, match=r"sequence .*'value 1' is missing"):
        engram.SequenceClassifier(**SMALL).fit(series, y)
    for missing in ("impute", "mask"):
        model = engram.SequenceClassifier(missing=missing, **SMALL | {"epochs": 2}).fit(series, y)
        assert np.isfinite(model.predict_proba(series)).all()


@pytest.mark.parametrize(
    ("X", "said"),
    [
        ("one text", r"X is str; it takes a list of texts.*put a single text in a list"),
        (["a", 3], r"X\[1\] is int"),
        ([np.zeros((2, 1)), np.zeros((2, 2))], r"X\[1\] has shape \(2, 2\)"),
        (np.zeros(3), "it takes .N, T, F. or"),
        ([["a", "b"], ["c", "d"]], "takes numbers"),
    ],
)
def test_inputs_that_cannot_be_read(X, said):
    with pytest.raises(DataError, match=said):
        engram.SequenceClassifier(**SMALL).fit(X, [0, 1, 0][: len(X)])


def test_parameters_that_cannot_work_are_told_together():
    with pytest.raises(ConfigError, match=r"hidden is 0.*pooling is 'lst'|pooling.*hidden"):
        engram.SequenceClassifier(hidden=0, pooling="lst").fit([[1.0], [2.0]], [0, 1])
