import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

import engram
from engram.errors import ConfigError, DataError, RunError

SMALL = {"hidden": 24, "embedding": 12, "epochs": 6, "batch": 32, "rate": 0.01}


def _pairs(count=800):
    draw = np.random.default_rng(0)
    texts = ["".join(draw.choice(list("abcd"), draw.integers(2, 5))) for _ in range(count)]
    return texts, [text[::-1] for text in texts]


@pytest.fixture(scope="module")
def fitted():
    return engram.Translator(**SMALL).fit(*_pairs())


def test_fit_predict_score(fitted):
    texts, turned = _pairs(60)
    assert fitted.score(texts, turned) >= 0.9
    assert fitted.bleu(turned, turned) >= 0.0
    found = fitted.predict(texts)
    assert found.shape == (60,)
    assert isinstance(found[0], str)
    assert fitted.n_updates_ == 6 * 24  # 760 pairs in batches of 32
    assert fitted.valid_loss_ < 0.5


def test_look(fitted):
    (row,) = fitted.look(["abc"])
    assert row["read"] == ["a", "b", "c", ""]
    assert np.shape(row["attention"]) == (len(row["written"]), 4)


def test_save_and_load(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    again = engram.Translator.load(tmp_path / "model")
    texts, _ = _pairs(30)
    assert again.predict(texts).tolist() == fitted.predict(texts).tolist()
    assert again.get_params() == fitted.get_params()
    with pytest.raises(RunError, match="contains no model"):
        engram.Translator.load(tmp_path)


def test_grid_search():
    texts, turned = _pairs(120)
    model = engram.Translator(hidden=8, embedding=4, epochs=1)
    search = GridSearchCV(model, {"cell": ["lstm", "gru"]}, cv=2).fit(texts, turned)
    assert search.best_params_["cell"] in ("lstm", "gru")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ("abc", ["a"]),
            "X is str; it takes a list of texts (str): put a single text in a list, [X]",
        ),
        (
            (3, ["a"]),
            "X is int; it takes a list of texts (str): put a single value in a list, [X]",
        ),
        ((["a"], [3]), "y[0] is int; y takes a list of texts (str), or one column of a table"),
        (([], []), "X contains no texts; give at least one"),
        ((["a", "b"], ["a"]), "X has 2 texts and y 1 texts; give the same number"),
    ],
)
def test_what_is_no_texts(given, message):
    with pytest.raises(DataError) as caught:
        engram.Translator().fit(*given)
    assert str(caught.value) == message


def test_all_faulty_parameters_are_named():
    with pytest.raises(ConfigError, match=r"rate is -1.*hidden is 0") as caught:
        engram.Translator(hidden=0, rate=-1).fit(["a"], ["b"])
    assert str(caught.value).startswith("Translator: ")
