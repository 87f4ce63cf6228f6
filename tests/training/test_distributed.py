"""Two processes give the same weights as one with the same global lanes."""

import json
import os
import subprocess
import sys

import pytest
import safetensors.torch
import torch

from engram.cli.main import main
from engram.records import Result
from engram.tasks.registry import TASKS
from engram.training.run_folder import RunFolder
from helpers import children, killing
from helpers.every_task import commands

pytestmark = pytest.mark.slow
TEXT = "".join(f"line {n}: {'ab' * (n % 7)} and {n * n}\n" for n in range(500))
FLAGS = [
    *("--hidden", "16", "--epochs", "2", "--lanes", "6", "--steps", "10", "--threads", "1"),
    *("--evaluate-every", "50", "--optimizer", "sgd", "--rate", "0.5", "--learn-initial-state"),
    *("--drop-tokens", "0.1", "--replace-tokens", "0.1"),
    *("--averaging", "ema", "--averaging-decay", "0.9", "--clip-percentile", "60"),
    *("--activation-penalty", "0.1", "--norm-stabilizer", "1", "--spectral-penalty", "0.01"),
    *("--steps-deviation", "2"),
]


TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
RUN_ALL = """
import json, os, signal, sys
from pathlib import Path
import torch.distributed as dist
from engram.cli.main import main
from engram.training.loop import _Training

os.environ |= {{"RANK": "{rank}", "WORLD_SIZE": "2"}}
# once: a process that leaves a group does not find another
dist.init_process_group("gloo", "file://{folder}/meeting", rank={rank}, world_size=2)
update = _Training.update
asked_at = None  # the update at which one of the two processes is asked to stop


def watched(self, batch, request):
    if {rank} == 1 and self.progress.update == asked_at:
        os.kill(os.getpid(), signal.SIGTERM)
    return update(self, batch, request)


_Training.update = watched
for command, asked_at, status in json.loads(Path("{folder}/commands.json").read_text()):
    found = main(command)
    if found != (status if {rank} == 0 else 0):
        sys.exit(f"{{command}} ended with {{found}}")
dist.destroy_process_group()
"""
DROPPING = [
    *("--dropout-input", "0.2", "--weight-drop", "0.1", "--recurrent-dropout", "0.2"),
    *("--zoneout", "h=0.1", "--optimizer", "sgd", "--rate", "0.2", "--seed", "3"),
]
OF_TASKS = {
    "classify": ["--dropout-head", "0.3", "--batch", "7", "--dropout-embedding", "0.1"],
    "regress": ["--pooling", "attention", "--batch", "5", "--temporal-penalty", "0.1"],
    "tag": ["--batch", "7", "--dropout-embedding", "0.1"],
    "translate": ["--scheduled-sampling", "0.5", "--epochs", "2"],
    "polyphonic": ["--batch", "3", "--transpose", "2"],
    "forecast": ["--batch", "5"],
    "synthetic": ["--batch", "5"],
}


def _assert_same_weights(*runs):
    one, two = (safetensors.torch.load_file(run / "model" / "model.safetensors") for run in runs)
    assert set(one) == set(two)
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=1e-5)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Every task trained by one process and by two, with dropout of all kinds."""
    folder = tmp_path_factory.mktemp("runs")
    flags = {
        task: [*command, *DROPPING, *OF_TASKS.get(task, [])]
        for task, command in commands(folder).items()
    }
    for task, command in flags.items():
        assert main([*command, "--run-dir", str(folder / "one" / task)]) == 0
    together = []
    for task, command in flags.items():
        together.append(([*command, "--run-dir", str(folder / "two" / task)], None, 0))
        stopped = str(folder / "stopped" / task)
        together.append(([*command, "--run-dir", stopped], 1, 130))
        together.append((["resume", stopped], None, 0))
    (folder / "commands.json").write_text(json.dumps(together))
    printed = [folder / "printed by 0", folder / "printed by 1"]
    started = [
        children.python(RUN_ALL.format(rank=rank, folder=folder), path)
        for rank, path in enumerate(printed)
    ]
    for child, path in zip(started, printed, strict=True):
        children.ended_well(child, path, seconds=300)
    return folder


@pytest.mark.parametrize("name", TASKS)
def test_two_processes_are_one_in_every_task(runs, name):
    one, two = runs / "one" / name, runs / "two" / name
    _assert_same_weights(one, two)
    results = [RunFolder(run).read(Result) for run in (one, two)]
    if results[0].valid_loss is None:  # captions of two classes, of which none was held out
        assert results[1].valid_loss is None
    else:
        assert results[0].valid_loss == pytest.approx(results[1].valid_loss, rel=1e-3)
    lines = [RunFolder(run).read_metrics() for run in (one, two)]
    assert len(lines[0]) == len(lines[1])
    for a, b in zip(*lines, strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-3)


@pytest.mark.parametrize("name", TASKS)
def test_stopped_and_resumed_by_two_is_uninterrupted(runs, name):
    changed = killing.different(runs / "two" / name, runs / "stopped" / name)
    assert [each for each in changed if each != "checkpoints/last/previous.safetensors"] == []


def test_two_processes_are_one(tmp_path, capsys):
    data = tmp_path / "texts"
    data.mkdir()
    for number in range(3):  # documents, so that sequences start in some windows of some rows
        (data / f"{number}.txt").write_text(TEXT[number * 3000 : (number + 1) * 3000])
    train = ["train", "language-model", "--data", str(data), *FLAGS, "--run-dir"]
    assert main([*train, str(tmp_path / "one")]) == 0
    command = [sys.executable, "-m", *TORCHRUN, "-m", "engram", *train, str(tmp_path / "two")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    _assert_same_weights(tmp_path / "one", tmp_path / "two")
    last = [
        json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1])["loss"]
        for name in ("one", "two")
    ]
    assert abs(last[0] - last[1]) < 1e-4

    # a run of two goes on as one: here, with nothing left to do
    capsys.readouterr()
    assert main(["resume", str(tmp_path / "two")]) == 0
    assert "finished" in capsys.readouterr().out
