"""A damaged run is refused in one sentence, or used as if it were whole.

Some damages of each task are drawn here; ``python -m benchmarks.robustness`` draws thousands.
"""

import random
import shutil
import sys

import pytest

from helpers import damage, killing
from helpers.every_task import commands

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.mark.parametrize(
    "name",
    [
        *("caption", "classify", "forecast", "language-model", "polyphonic", "regress"),
        *("synthetic", "tag", "translate"),
    ],
)
def test_damaged_runs(tmp_path, name):
    train = commands(tmp_path)[name]
    data = train[train.index("--data") :][:2] if "--data" in train else []
    whole, partial = tmp_path / "whole", tmp_path / "partial"
    ended = killing.run([*train, "--run-dir", str(whole)], whole)
    point = ended.operations * 2 // 3
    killing.run([*train, "--run-dir", str(partial)], partial, operation=point)
    draw = random.Random(name)
    faults = damage.attacks(whole, partial, data, draw, count=2)
    assert [fault for fault in faults if fault] == []


def test_a_figure_that_changes_without_a_word_is_seen(tmp_path, monkeypatch):
    """The check itself, on a fault that is planted: another model in the place of a run's own."""
    train = commands(tmp_path)["regress"]
    runs = [tmp_path / name for name in ("whole", "other")]
    for run, seed in zip(runs, ("1", "2"), strict=True):
        killing.run([*train, "--seed", seed, "--run-dir", str(run)], run)

    def swap(copy, draw):
        shutil.rmtree(copy / "model")
        shutil.copytree(runs[1] / "model", copy / "model")
        return "model: swapped"

    monkeypatch.setattr(damage, "_damage", swap)
    data = train[train.index("--data") :][:2]
    faults = [*damage.attacks(runs[0], runs[0], data, random.Random(0), count=1)]
    assert faults[0].startswith("eval after model: swapped: other figures")
