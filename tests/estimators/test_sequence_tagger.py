"""SequenceTagger: sentences and ragged series, tags of any kind, searches."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

import engram
from engram.errors import ConfigError, DataError

PEOPLE, PLACES = ["Anna Berg", "Tom Fox", "Li Wei"], ["Paris", "New York", "Oslo"]


def _sentences(count, seed=0):
    draw = np.random.default_rng(seed)
    words, tags = [], []
    for _ in range(count):
        who, where = str(draw.choice(PEOPLE)).split(), str(draw.choice(PLACES)).split()
        words.append([*who, "saw", *where])
        tags.append(["B-PER", "I-PER", "O", "B-LOC", *["I-LOC"] * (len(where) - 1)])
    return words, tags


def _series(count, seed=0):
    """Tags are numbers: the sign of what the value was two steps ago."""
    draw = np.random.default_rng(seed)
    arrays = [draw.normal(size=(int(draw.integers(3, 9)), 2)) for _ in range(count)]
    tags = [np.concatenate([[0, 0], np.sign(a[:-2, 0])]).astype(int) for a in arrays]
    return arrays, tags


def _tagger(**changes):
    values = {"hidden": 16, "embedding": 8, "epochs": 10, "rate": 0.02, "batch": 8}
    return engram.SequenceTagger(**(values | changes))


def test_sentences():
    words, tags = _sentences(80)
    model = _tagger().fit(words, tags)
    others, wanted = _sentences(20, 1)
    assert model.score(others, wanted) >= 0.97
    assert model.span_f1(others, wanted) >= 0.97
    assert list(model.classes_) == ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
    assert model.predict([["Tom", "Fox", "saw", "Oslo"]])[0].tolist() == [
        "B-PER",
        "I-PER",
        "O",
        "B-LOC",
    ]


@pytest.mark.slow
def test_series_of_any_lengths():
    arrays, tags = _series(150)
    model = _tagger(epochs=25).fit(arrays, tags)
    others, wanted = _series(30, 1)
    assert model.score(others, wanted) >= 0.9
    assert model.n_features_in_ == 2
    assert model.classes_.tolist() == [-1, 0, 1]
    found = model.predict(others)
    assert [len(each) for each in found] == [len(each) for each in others]
    assert set(np.concatenate(found)) <= {-1, 0, 1}


def test_search_and_clone():
    words, tags = _sentences(24)
    search = GridSearchCV(_tagger(epochs=1), {"hidden": [4, 8]}, cv=2).fit(words, tags)
    assert search.best_score_ > 0
    model = clone(search.best_estimator_)
    with pytest.raises(NotFittedError):
        model.predict(words)
    first = model.fit(words, tags).predict(words)
    again = clone(model).fit(words, tags).predict(words)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("rare", range(0, 30, 3))
def test_a_tag_that_comes_once_does_not_forbid_a_fit(rare):
    words, tags = _sentences(30)
    tags[rare][2] = "RARE"
    model = _tagger(epochs=1, valid=0.3).fit(words, tags)
    assert "RARE" in model.classes_
    assert len(model.preprocess_.tags) == len(model.classes_)


@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        (["a text"], [["x"]], r"X\[0\] is a text; cut it into words"),
        ([["a", "b"], ["c"]], [["x", "y"]], "X has 2 sequences and y 1"),
        ([["a", "b"], ["c"]], [["x", "y"], ["x", "y"]], "sequence 1 has 1 steps but 2 tags"),
        (
            [["a", "b"], ["c", 3]],
            [["x", "y"], ["x", "y"]],
            r"X\[1\]\[1\] is int; X\[1\] takes a list of texts",
        ),
        ([["a"], ["c"]], [["x"], ["x"]], "all . steps have the tag"),
        ([["a"], []], [["x"], []], "sequence 1 has no steps"),
    ],
)
def test_what_cannot_be_learnt(X, y, said):
    with pytest.raises(DataError, match=said):
        _tagger().fit(X, y)


def test_parameters_are_checked_together():
    with pytest.raises(ConfigError, match=r"cell is 'lstn': did you mean 'lstm'.*hidden is 0"):
        _tagger(hidden=0, cell="lstn").fit(*_sentences(3))
    model = _tagger(epochs=1).fit(*_sentences(10))
    with pytest.raises(DataError, match="reads words"):
        model.predict(np.zeros((1, 3, 2)))
    with pytest.raises(DataError, match="give one tag per step"):
        model.score([["a", "b"]], [["O"]])
