"""Two processes give the same weights as one with the same global lanes."""

import json
import os
import subprocess
import sys

import safetensors.torch
import torch

TEXT = "".join(f"line {n}: {'ab' * (n % 7)} and {n * n}\n" for n in range(500))
FLAGS = [
    *("--hidden", "16", "--epochs", "2", "--lanes", "6", "--steps", "10", "--threads", "1"),
    *("--evaluate-every", "50", "--optimizer", "sgd", "--rate", "0.5", "--learn-initial-state"),
    *("--drop-tokens", "0.1", "--replace-tokens", "0.1"),
    *("--averaging", "ema", "--averaging-decay", "0.9", "--clip-percentile", "60"),
    *("--activation-penalty", "0.1", "--norm-stabilizer", "1", "--spectral-penalty", "0.01"),
    *("--steps-deviation", "2"),
]


def _run(launcher, *arguments):
    command = [sys.executable, "-m", *launcher, *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "engram"]


def test_two_processes_are_one(tmp_path):
    data = tmp_path / "texts"
    data.mkdir()
    for number in range(3):  # documents, so that sequences start in some windows of some rows
        (data / f"{number}.txt").write_text(TEXT[number * 3000 : (number + 1) * 3000])
    train = ["train", "language-model", "--data", data, *FLAGS, "--run-dir"]
    _run(["engram"], *train, tmp_path / "one")
    _run(TORCHRUN, *train, tmp_path / "two")
    one, two = (
        safetensors.torch.load_file(tmp_path / name / "model" / "model.safetensors")
        for name in ("one", "two")
    )
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-5)
    last = [
        json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1])["loss"]
        for name in ("one", "two")
    ]
    assert abs(last[0] - last[1]) < 1e-4

    # a run of two goes on as one: here, with nothing left to do
    assert "finished" in _run(["engram"], "resume", tmp_path / "two")
