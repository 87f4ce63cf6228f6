"""A training of any task that is killed at any file operation comes to the same end.

Two operations of each task are drawn here; ``python -m benchmarks.robustness`` takes them all.
"""

import random
import sys

import pytest

from helpers import killing
from helpers.every_task import commands, fine_tuning

NAMES = [
    *("caption", "classify", "forecast", "language-model", "polyphonic", "regress", "synthetic"),
    *("tag", "translate", "finetune"),
]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    made = commands(folder)
    return made | {"finetune": fine_tuning(made, folder)}


def test_every_task_is_there(trainings):
    assert sorted(trainings) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_killed_at_an_operation_and_resumed_is_uninterrupted(trainings, tmp_path, name):
    def train(run):
        return [*trainings[name], "--run-dir", str(run)]

    whole = tmp_path / "whole"
    ended = killing.run(train(whole), whole)
    assert ended.status == 0, ended.printed
    assert ended.operations > 40
    points = random.Random(name).sample(range(ended.operations), 2)
    for point in points:
        killed = tmp_path / f"killed-{point}"
        assert killing.faults_of_a_kill(train, whole, killed, operation=point) == [], point
