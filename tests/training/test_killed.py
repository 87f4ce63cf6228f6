"""A training that is killed with SIGKILL at any moment, and resumed, is as one that was not."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

TEXT = "".join(f"line {n}: {'ab' * (n % 7)} and {n * n}\n" for n in range(700))
FLAGS = [
    *("--hidden", "16", "--epochs", "3", "--lanes", "4", "--steps", "10", "--dropout", "0.1"),
    *("--checkpoint-every", "5", "--evaluate-every", "40", "--log-every", "3", "--threads", "1"),
]


def _engram(*arguments):
    return [sys.executable, "-m", "engram", *map(str, arguments)]


def _sample(run):
    command = _engram("sample", run, "--length", "80", "--seed", "5")
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_and_resumed_is_uninterrupted(tmp_path, seed):
    data = tmp_path / "text.txt"
    data.write_text(TEXT)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train = ["train", "language-model", "--data", data, "--seed", "3", *FLAGS, "--run-dir"]
    subprocess.run(_engram(*train, whole), check=True, capture_output=True)

    moments = random.Random(seed)
    command = _engram(*train, killed)
    kills = 0
    for _ in range(3):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        deadline = time.monotonic() + 60
        while not (killed / "metrics.jsonl").exists() and time.monotonic() < deadline:
            if process.poll() is not None:
                break
            time.sleep(0.01)
        if kills:  # metrics are there already: wait until this process trains as well
            time.sleep(2.0)
        time.sleep(moments.uniform(0.0, 0.8))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
        command = _engram("resume", killed)
    assert kills
    subprocess.run(_engram("resume", killed), check=True, capture_output=True)

    for name in ("metrics.jsonl", "model/model.safetensors", "records/gradient-reach.json"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name
    assert _sample(whole) == _sample(killed)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    data = tmp_path / "text.txt"
    data.write_text(TEXT)
    run = tmp_path / "run"
    command = _engram(
        "train", "language-model", "--data", data, *FLAGS, "--epochs", "1000", "--run-dir", run
    )
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while "update" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"engram resume {run}" in printed
    assert (run / "checkpoints" / "last" / "state.safetensors").exists()
    assert _sample(run)
