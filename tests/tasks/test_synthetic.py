"""Synthetic problems from a name to figures."""

import csv
import json

import pytest
import torch

from engram.cli.main import main
from engram.errors import ConfigError, DataError
from engram.tasks import fitting, synthetic
from engram.tasks.outlines.synthetic import LENGTHS
from engram.tasks.problems import PROBLEMS
from engram.tasks.synthetic import SyntheticSettings
from helpers.resuming import assert_resumed_is_uninterrupted

SMALL = {
    "hidden": 8,
    "epochs": 2,
    "epoch_updates": 4,
    "batch": 5,
    "valid_sequences": 7,
    "test_sequences": 9,
}
SHORT = {name: {"length": 60} if LENGTHS[name] else {} for name in PROBLEMS}
MEASURES = {
    "adding": "within 0.04",
    "copy": "recalled",
    "temporal-order": "accuracy",
    "latch": "latched",
    "reber": "strings right",
    "dyck": "closing accuracy",
    "mackey-glass": "NRMSE",
    "narma10": "NRMSE",
}


def settings_of(problem, **values):
    return SyntheticSettings.checked(SMALL | SHORT[problem] | {"problem": problem} | values)


@pytest.mark.slow
@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_problem_is_trained_measured_and_asked(problem):
    settings = settings_of(problem)
    data = synthetic.read(settings)
    trained, _ = fitting.fit(synthetic.TASK, settings, data)
    report = synthetic.evaluate(trained, data.test)
    assert next(iter(report.measures)) == MEASURES[problem]
    assert report.measures["sequences"] == 9
    assert all(torch.isfinite(torch.tensor(list(report.measures.values()))))
    rows = list(synthetic.predict(trained, synthetic.AskingSettings(sequences=3)))
    assert len(rows) == 3
    assert all({"asked", "wanted", "predicted"} <= set(row) for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("problem", PROBLEMS)
def test_what_answers_right_is_measured_so(problem):
    settings = settings_of(problem)
    part = synthetic.read(settings).test
    right, wrong = _answers(problem, part)
    best = PROBLEMS[problem].measures(right, part)[MEASURES[problem]]
    worst = PROBLEMS[problem].measures(wrong, part)[MEASURES[problem]]
    assert best == pytest.approx(0.0 if MEASURES[problem] == "NRMSE" else 1.0, abs=1e-6)
    assert worst != pytest.approx(best, abs=0.1)
    for row in PROBLEMS[problem].rows(right, part):
        assert row.get("right", True)
    assert not all(row.get("right", False) for row in PROBLEMS[problem].rows(wrong, part))


def _answers(problem, part):
    """Outputs that are right, and such that are wrong."""
    targets = part.targets
    if problem == "adding":
        right = targets.unsqueeze(1)
    elif problem == "latch":
        right = (2.0 * targets - 1.0).unsqueeze(1)
    elif problem in ("mackey-glass", "narma10"):
        right = targets.nan_to_num().unsqueeze(2)
    elif problem == "reber":
        right = part.aside.float()
    else:
        count = PROBLEMS[problem].sizes(settings_of(problem))[1]
        right = torch.nn.functional.one_hot(targets.clamp(min=0), count).float()
    if problem in ("adding", "mackey-glass", "narma10"):
        return right, right + 1.0
    return right, -right


@pytest.mark.parametrize("problem", ["reber", "mackey-glass", "copy"])
def test_resumed_is_uninterrupted(problem, tmp_path):
    settings = settings_of(problem, dropout=0.2)
    data = synthetic.read(settings)
    assert_resumed_is_uninterrupted(synthetic.TASK, settings, data, tmp_path, 6)


def test_every_update_and_part_has_sequences_of_its_own():
    settings = settings_of("temporal-order")
    data = synthetic.read(settings)
    source = synthetic.TASK.source(settings, data)
    batches = [*source.batches(0), *source.batches(1)]
    assert source.updates == source.updates_in(1) == 4
    parts = [batch.inputs for batch in batches] + [data.valid.inputs, data.test.inputs]
    columns = torch.cat([part.flatten(2).transpose(0, 1) for part in parts])
    assert len(columns.unique(dim=0)) == len(columns) == 8 * 5 + 7 + 9
    again = list(synthetic.TASK.source(settings, data).batches(0, 2))
    assert torch.equal(again[0].inputs, batches[2].inputs)
    other = synthetic.read(settings_of("temporal-order", seed=1))
    assert other.digest != data.digest == synthetic.read(settings).digest


@pytest.mark.slow
def test_is_learnt():
    settings = settings_of(
        "latch", length=20, hidden=16, epochs=6, epoch_updates=50, batch=32, rate=1e-2
    )
    data = synthetic.read(settings)
    trained, _ = fitting.fit(synthetic.TASK, settings, data)
    assert synthetic.evaluate(trained, data.test).measures["latched"] == 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"problem": "reber", "length": 9}, "length=9 is given, but the grammar of reber"),
        ({"problem": "copy", "tau": 30}, "tau=30 applies to mackey-glass, but the problem is copy"),
        ({"problem": "narma10", "length": 50}, "warm_up=50 leaves none of the 50 steps"),
        ({"problem": "sums"}, "problem is 'sums'"),
        ({}, "'problem' is missing"),
    ],
)
def test_settings_that_cannot_be(values, message):
    with pytest.raises(ConfigError, match=message):
        SyntheticSettings.checked(values)


@pytest.mark.parametrize("value", [{}, {"inputs": 2}, {"inputs": 2, "outputs": 0}])
def test_sizes_that_are_damaged(value):
    with pytest.raises(DataError, match="the sizes are"):
        synthetic.Sizes.from_plain(value)


def test_from_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["--hidden", "8", "--epochs", "1", "--epoch-updates", "5", "--test-sequences", "20"]
    given = ["train", "synthetic", "--problem", "adding", "--length", "12", "--run-dir", "r"]
    assert main([*given, *small]) == 0
    said = capsys.readouterr().out
    assert "adding: 12 steps" in said
    assert "engram predict r --out predictions.csv" in said
    assert main(["eval", "r", "--length", "30", "--sequences", "8", "--json", "e.json"]) == 0
    assert json.loads((tmp_path / "e.json").read_text())["sequences"] == 8
    assert main(["predict", "r", "--out", "a.csv", "--sequences", "4"]) == 0
    with open("a.csv", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 4
    assert main(["info", "r"]) == 0
    assert "adding" in capsys.readouterr().out
    assert main(["resume", "r"]) == 0
