"""Regression from files to answers: learnt, scaled and undone, saved, told of when it cannot be."""

import json

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from engram.cli.main import main
from engram.data.arrays.sequences import Sequences
from engram.data.labelled.examples import Examples
from engram.errors import DataError, RunError
from engram.tasks import fitting, regress
from helpers.earlier import without_digests


def _series(count, seed=0):
    """How fast a wave swings, in units of its own."""
    draw = np.random.default_rng(seed)
    arrays, speeds = [], []
    for _ in range(count):
        steps, speed = int(draw.integers(15, 30)), draw.uniform(0.2, 1.2)
        arrays.append(np.sin(draw.uniform(0, 6) + np.arange(steps) * speed)[:, None])
        speeds.append(5000 + 300 * speed)
    return Examples(Sequences.of(arrays), np.array(speeds))


def _texts(count, seed=0):
    draw = np.random.default_rng(seed)
    texts = [" ".join(draw.choice(["up", "down", "so"], 6)) for _ in range(count)]
    return Examples(texts, np.array([10.0 * (t.count("up") - t.count("down")) for t in texts]))


def _settings(**changes):
    values = {"data": ["memory"], "hidden": 16, "epochs": 15, "batch": 16, "rate": 0.01}
    return regress.RegressSettings.checked(values | changes)


@pytest.mark.slow
@pytest.mark.parametrize("make", [_series, _texts])
@pytest.mark.parametrize("cost", ["mean-squared", "huber"])
def test_is_learnt(make, cost):
    settings = _settings(cost=cost)
    data = regress.make_data(settings, (make(300), make(60, 1), make(100, 2)))
    trained, _ = fitting.fit(regress.TASK, settings, data)
    assert regress.evaluate(trained, data.test).measures["R²"] >= 0.95


def test_measures_are_scikit_learn_s():
    settings = _settings(epochs=1)
    data = regress.make_data(settings, (_series(80), None, _series(50, 1)))
    trained, _ = fitting.fit(regress.TASK, settings, data)
    measures = regress.evaluate(trained, data.test).measures
    given = [row["value"] for row in regress.predict(trained, data.test.examples)]
    wanted = data.test.examples.targets
    assert measures["MAE"] == pytest.approx(mean_absolute_error(wanted, given))
    assert measures["RMSE"] == pytest.approx(root_mean_squared_error(wanted, given))
    assert measures["R²"] == pytest.approx(r2_score(wanted, given))
    alone = data.train.examples.take([0])
    assert "R²" not in regress.evaluate(trained, data.preprocess.part(alone)).measures


def test_units_of_targets_are_no_matter():
    """The same series with targets in other units: the same answers, in those."""
    answers = []
    for factor, shift in ((1.0, 0.0), (1e-6, 40.0)):
        parts = []
        for seed in (0, 1):
            given = _series(60, seed)
            parts.append(Examples(given.inputs, given.targets * factor + shift))
        settings = _settings(epochs=2)
        data = regress.make_data(settings, (parts[0], None, parts[1]))
        trained, _ = fitting.fit(regress.TASK, settings, data)
        found = np.array([row["value"] for row in regress.predict(trained, parts[1])])
        answers.append((found - shift) / factor)
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-5)


def test_a_saved_model_gives_the_same_answers(tmp_path):
    settings = _settings(epochs=1)
    data = regress.make_data(settings, (_texts(50), None, None))
    trained, _ = fitting.fit(regress.TASK, settings, data)
    fitting.save(tmp_path, trained)
    again = fitting.load(regress.TASK, tmp_path)
    new = Examples(_texts(7, 9).inputs)
    assert list(regress.predict(again, new)) == list(regress.predict(trained, new))
    without_digests(tmp_path)
    value = json.loads((tmp_path / "preprocess.json").read_text())
    for targets in (None, {"mean": [1, 2], "deviation": [1, 2]}, {"mean": [1], "deviation": [0]}):
        (tmp_path / "preprocess.json").write_text(json.dumps(value | {"targets": targets}))
        with pytest.raises(RunError, match="scaling is damaged"):
            fitting.load(regress.TASK, tmp_path)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((Examples([], np.zeros(0)), None, None), "training data contains no examples"),
        ((Examples(["a", "b"]), None, None), "to train on have no numeric targets"),
        ((Examples(["a", "b"], ["x", "y"]), None, None), "to train on have no numeric targets"),
        ((Examples(["a", "b"], np.ones(2)), None, None), "all 2 examples have the same target 1;"),
        ((_texts(9), None, Examples(["a"])), "to test on have no numeric targets"),
    ],
)
def test_data_that_cannot_be_learnt(parts, said):
    with pytest.raises(DataError, match=said):
        regress.make_data(_settings(), parts)


@pytest.mark.slow
def test_from_a_file_to_answers_by_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, count, seed in (("train", 200, 0), ("test", 50, 1)):
        given = _texts(count, seed)
        rows = [f"{text},{t:g}\n" for text, t in zip(given.inputs, given.targets, strict=True)]
        (tmp_path / f"{name}.csv").write_text("text,score\n" + "".join(rows))
    command = "train regress --data train.csv --test-data test.csv --run-dir run --hidden 16"
    assert main([*command.split(), "--epochs", "10", "--rate", "0.01", "--batch", "8"]) == 0
    said = capsys.readouterr().out
    assert "test part: MAE" in said
    assert "of the scaled targets" in said
    assert "nats" not in said
    (tmp_path / "new.csv").write_text("text\nup up up up up up\ndown down down\n")
    assert main(["predict", "run", "--data", "new.csv", "--out", "answers.csv"]) == 0
    lines = (tmp_path / "answers.csv").read_text().splitlines()
    assert lines[0] == "name,value"
    first, second = (float(line.split(",")[1]) for line in lines[1:])
    assert first > 20 > -10 > second
    assert main(["eval", "run", "--data", "test.csv", "--json", "figures.json"]) == 0
    result = json.loads((tmp_path / "run/records/result.json").read_text())
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == result["reports"]["test"]["measures"]
    assert main(["info", "run"]) == 0
    assert "of the scaled targets" in capsys.readouterr().out
    assert main(["train", "regress", "--data", "new.csv"]) == 2
    assert "none of them is clearly the one to predict" in capsys.readouterr().err
