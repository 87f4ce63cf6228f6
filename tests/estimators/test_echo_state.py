"""EchoState: scikit-learn's manners, every kind of target, running on by itself."""

import json

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV

import engram
from engram.data.builtin.mackey_glass import mackey_glass
from engram.errors import ConfigError, DataError, RunError
from helpers.earlier import without_digests

SMALL = {"units": 60, "density": 0.2, "warm_up": 20}


def _waves(count=6, steps=120, seed=0):
    draw = np.random.default_rng(seed)
    time = np.arange(steps)[None, :, None]
    frequency, phase = draw.uniform(0.1, 0.3, (count, 1, 1)), draw.uniform(0, 6, (count, 1, 1))
    x = np.sin(frequency * time + phase)
    return x, frequency[:, 0, 0]


@pytest.fixture(scope="module")
def series():
    return mackey_glass(900, seed=1)[:, 0]


@pytest.fixture(scope="module")
def fitted(series):
    return engram.EchoState(**SMALL, leak=0.6, ridge=1e-8).fit(series[:700], series[1:701])


def test_the_same_seed_gives_the_same_model(fitted, series):
    again = clone(fitted).fit(series[:700], series[1:701])
    np.testing.assert_array_equal(again.predict(series[:50]), fitted.predict(series[:50]))
    other = clone(fitted).set_params(random_state=1).fit(series[:700], series[1:701])
    assert not np.array_equal(other.predict(series[:50]), fitted.predict(series[:50]))


def test_one_step_ahead(fitted, series):
    assert fitted.score(series[600:890], series[601:891]) > 0.9999
    assert fitted.predict(series[:30]).shape == (30,)


@pytest.mark.parametrize("form", ["array", "list", "one"])
@pytest.mark.parametrize("columns", [None, 1, 2])
def test_results_come_in_the_form_of_the_series(form, columns):
    x = _waves(4, 60)[0]
    y = x[..., 0] if columns is None else np.repeat(x, columns, axis=2) ** 2
    if form == "list":
        lengths = [60, 30, 45, 60]
        x = [own[:length] for own, length in zip(x, lengths, strict=True)]
        y = [own[:length] for own, length in zip(y, lengths, strict=True)]
    elif form == "one":
        x, y = x[0], y[0]
    found = engram.EchoState(**SMALL).fit(x, y).predict(x)
    assert isinstance(found, list) == (form == "list")
    shapes = [np.shape(own) for own in (found if form == "list" else [found])]
    assert shapes == [np.shape(own) for own in (y if form == "list" else [y])]


@pytest.mark.parametrize("feedback", [False, True])
def test_partial_fit_is_fit(feedback):
    x = _waves(6, 60)[0]
    y = x**2
    options = {**SMALL, "feedback": feedback, "ridge": 1e-4}
    whole = engram.EchoState(**options).fit(x, y)
    parts = engram.EchoState(**options)
    for place in range(0, 6, 2):
        parts.partial_fit(x[place : place + 2], y[place : place + 2])
    np.testing.assert_allclose(parts.predict(x), whole.predict(x), rtol=1e-6, atol=1e-8)
    fresh = engram.EchoState(**options).fit(x[:2], y[:2])
    np.testing.assert_array_equal(whole.fit(x[:2], y[:2]).predict(x), fresh.predict(x))


def test_the_ridge_is_chosen(series):
    model = engram.EchoState(**SMALL, ridge="auto").fit(series[:700], series[1:701])
    assert model.ridge_ in engram.layers.ridge.RIDGES
    assert model.score(series[600:890], series[601:891]) > 0.999


def test_numbers_of_whole_series():
    x, frequency = _waves(60, 80)
    model = engram.EchoState(target="sequence", units=60, density=0.2, ridge="auto")
    model.fit(x[:40], frequency[:40])
    assert model.predict(x).shape == (60,)
    assert model.score(x[40:], frequency[40:]) > 0.9
    both = np.stack([frequency, -frequency], axis=1)
    assert model.fit(x[:40], both[:40]).predict(x).shape == (60, 2)


@pytest.mark.parametrize("summary", ["mean", "last"])
def test_classes_of_whole_series(summary):
    """Fast waves around 2.5, slow ones around 0."""
    x, frequency = _waves(60, 80)
    names = np.where(frequency > 0.2, "fast", "slow")
    x = x + np.where(names == "fast", 2.5, 0.0)[:, None, None]
    x = [own[: 50 + place % 30] for place, own in enumerate(x)]
    model = engram.EchoState(target="class", units=60, density=0.2, ridge=0.1, summary=summary)
    model.fit(x[:40], names[:40])
    assert list(model.classes_) == ["fast", "slow"]
    assert model.score(x[40:], names[40:]) >= 0.9
    assert set(model.predict(x)) == {"fast", "slow"}
    parts = clone(model).partial_fit(x[:1], names[:1], classes=["slow", "fast"])
    parts.partial_fit(x[1:40], names[1:40])
    assert list(parts.predict(x)) == list(model.predict(x))
    with pytest.raises(DataError, match="y contains the class 'other', which is not in classes"):
        parts.partial_fit(x[:1], ["other"])


def test_what_scikit_learn_takes_it_for():
    assert is_regressor(engram.EchoState())
    assert is_classifier(engram.EchoState(target="class"))
    x, frequency = _waves(30, 60)
    search = GridSearchCV(
        engram.EchoState(target="class", units=40, density=0.3), {"leak": [0.3, 1.0]}, cv=2
    )
    search.fit(x, frequency > 0.2)
    assert search.best_estimator_.score(x, frequency > 0.2) > 0.8


def test_generation_goes_on_from_the_end_of_the_training(fitted, series):
    found = fitted.generate(20)
    assert found.shape == (20,)
    np.testing.assert_allclose(found, series[701:721], atol=0.05)
    np.testing.assert_allclose(fitted.generate(20, series[:701]), found, atol=1e-9)


def test_generation_from_many_series(fitted, series):
    starts = [series[:300], series[100:350], series[:300]]
    found = fitted.generate(15, starts)
    assert [own.shape for own in found] == [(15,)] * 3
    np.testing.assert_allclose(found[1], series[350:365], atol=0.05)
    np.testing.assert_allclose(found[0], found[2])
    np.testing.assert_allclose(found[0], fitted.generate(15, starts[0]), atol=1e-9)
    array = fitted.generate(1, np.stack([starts[0], starts[2]])[..., None])
    np.testing.assert_allclose(array[:, 0], [found[0][0]] * 2)


def test_generation_with_feedback(series):
    """The series is all that comes back; the input is a constant."""
    one = np.ones(700)
    model = engram.EchoState(
        **SMALL, feedback=True, leak=0.6, ridge=1e-8, input_scaling=0.2, sees_input=False
    ).fit(one, series[:700])
    found = model.generate(15, inputs=one[:15])
    np.testing.assert_allclose(found, series[700:715], atol=0.03)
    again = model.generate(15, one[:400], series[:400], inputs=one[:15])
    np.testing.assert_allclose(again, series[400:415], atol=0.03)
    assert model.predict(one[:40]).shape == (40,)


def test_save_and_load(fitted, series, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = engram.EchoState.load(tmp_path / "model")
    assert loaded.get_params() == fitted.get_params()
    np.testing.assert_array_equal(loaded.predict(series[:50]), fitted.predict(series[:50]))
    np.testing.assert_array_equal(loaded.generate(5), fitted.generate(5))
    assert sorted(path.suffix for path in (tmp_path / "model").iterdir()) == [
        ".json",
        ".json",
        ".safetensors",
    ]
    with pytest.raises(ConfigError, match=r"a saved model does not contain; call fit\(\) again"):
        loaded.partial_fit(series[:100], series[:100])
    with pytest.raises(RunError, match="contains no model"):
        engram.EchoState.load(tmp_path)


def test_a_folder_of_an_earlier_version_is_read(tmp_path):
    x, frequency = _waves(10, 30)
    model = engram.EchoState(target="class", units=20, density=0.5).fit(x, frequency > 0.2)
    model.save(tmp_path)
    without_digests(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    sizes = json.loads((tmp_path / "preprocess.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config["parameters"]))
    (tmp_path / "preprocess.json").write_text(json.dumps(sizes | {"classes": [False, True]}))
    again = engram.EchoState.load(tmp_path)
    assert again.classes_.tolist() == [False, True]
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_later_targets_have_as_many_outputs():
    x = _waves(2, 60)[0]
    model = engram.EchoState(**SMALL).fit(x, x)
    with pytest.raises(DataError, match="y has 2 outputs; this was fitted on 1"):
        model.partial_fit(x, np.repeat(x, 2, axis=2))


def test_classes_are_saved(tmp_path):
    x, frequency = _waves(10, 30)
    model = engram.EchoState(target="class", units=20, density=0.5).fit(x, frequency > 0.2)
    model.save(tmp_path / "model")
    assert list(engram.EchoState.load(tmp_path / "model").predict(x)) == list(model.predict(x))


def test_a_single_precision_reservoir(series):
    model = engram.EchoState(**SMALL, dtype="float32").fit(series[:700], series[1:701])
    assert model.module_.readout.weight.dtype == torch.float32
    assert model.score(series[600:890], series[601:891]) > 0.999


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"target": "step", "warm_up": -1},
            "target is 'step': did you mean 'steps'.*warm_up is -1",
        ),
        ({"ridge": "none"}, "ridge is 'none'; it takes a number from 0, or 'auto'"),
        ({"summary": "max"}, "summary is 'max'; it takes 'mean' or 'last'"),
        ({"dtype": "float16"}, "dtype is 'float16': did you mean"),
        ({"target": "class", "feedback": True}, "feedback needs outputs at each step"),
        ({"leak": 2.0}, r"leak is 2\.0"),
        ({"ridge": 0.0, "units": 200}, r"no unique solution with ridge=0"),
    ],
)
def test_parameters_that_cannot_work(options, text):
    x = _waves(2, 60)[0]
    with pytest.raises(ConfigError, match=text):
        engram.EchoState(**(SMALL | options)).fit(x, x)


@pytest.mark.parametrize(
    ("x", "y", "text"),
    [
        (np.zeros((2, 30, 1, 1)), 0, r"X has shape \(2, 30, 1, 1\); it takes"),
        (np.full((30,), np.nan), np.zeros(30), r"X\[0\] is nan; fill in missing values"),
        ([np.zeros((30, 1)), np.zeros((30, 2))], 0, r"X\[1\] has 2 columns and X\[0\] has 1"),
        ([np.zeros((30, 1)), np.zeros((0, 1))], 0, "leave empty series out"),
        ("text", 0, "X is str"),
        (np.zeros((2, 30, 1)), np.zeros((2, 29, 1)), "y has 29, 29 steps and X 30, 30"),
        (np.zeros((2, 20, 1)), np.zeros((2, 20, 1)), r"X\[0\] has 20 steps, but warm_up=20"),
    ],
)
def test_series_that_cannot_be_used(x, y, text):
    with pytest.raises(DataError, match=text):
        engram.EchoState(**SMALL).fit(x, y)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m: m.predict(np.zeros((30, 2))), "X has 2 features; this was fitted on 1"),
        (lambda m: m.generate(0), "steps is 0"),
        (lambda m: m.generate(3, inputs=np.zeros(3)), "only with feedback=True"),
        (
            lambda m: clone(m).fit(np.zeros((30, 1)), np.eye(30)[:, :2]).generate(3),
            "there are 2 outputs and 1 inputs",
        ),
        (
            lambda m: (
                clone(m).set_params(feedback=True).fit(np.ones(30), np.arange(30.0)).generate(3)
            ),
            r"takes inputs= for the future steps",
        ),
    ],
)
def test_calls_that_do_not_fit(fitted, call, text):
    with pytest.raises((ConfigError, DataError), match=text):
        call(fitted)
