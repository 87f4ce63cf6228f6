"""A training that is killed with SIGKILL at any moment, and resumed, is as one that was not."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from engram.training.interrupt import stop_on_signal
from helpers import children

pytestmark = pytest.mark.slow

TEXT = "".join(f"line {n}: {'ab' * (n % 7)} and {n * n}\n" for n in range(700))
FLAGS = [
    *("--hidden", "16", "--epochs", "3", "--lanes", "4", "--steps", "10", "--dropout", "0.1"),
    *("--checkpoint-every", "5", "--evaluate-every", "40", "--log-every", "3", "--threads", "1"),
]


def _engram(run, *arguments):
    """Run a command on a run to its end, and give what it printed."""
    printed = run.with_suffix(".printed")
    return children.ended_well(children.engram(*arguments, printed=printed), printed)


def _sample(run):
    return _engram(run, "sample", run, "--length", "80", "--seed", "5")


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    data = tmp_path_factory.mktemp("data") / "text.txt"
    data.write_text(TEXT)
    return ["train", "language-model", "--data", data, "--seed", "3", *FLAGS, "--run-dir"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, train):
    run = tmp_path_factory.mktemp("runs") / "whole"
    _engram(run, *train, run)
    return run


def _trains(process, metrics):
    """Wait until a process writes metrics; false where it ends before."""
    before = metrics.stat().st_size if metrics.exists() else 0
    while not (metrics.exists() and metrics.stat().st_size > before):
        if not process.is_alive():
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_and_resumed_is_uninterrupted(tmp_path, train, whole, seed):
    killed = tmp_path / "killed"
    moments = random.Random(seed)
    command, kills = [*train, killed], 0
    for _ in range(3):
        process = children.engram(*command, printed=tmp_path / "printed")
        if _trains(process, killed / "metrics.jsonl"):
            time.sleep(moments.uniform(0.0, 0.8))
            kills += process.is_alive()
            process.kill()
        process.join()
        command = ["resume", killed]
    assert kills
    _engram(killed, *command)

    for name in ("metrics.jsonl", "model/model.safetensors", "records/gradient-reach.json"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name
    assert _sample(whole) == _sample(killed)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path, train):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "engram", *train, run, "--epochs", "1000"]
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


def test_a_process_of_torchrun_stops_when_torchrun_is_gone(monkeypatch):
    """Killed with SIGKILL, torchrun can stop none of its processes."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    with stop_on_signal() as request:
        assert not request.made
        monkeypatch.setattr("os.getppid", lambda: 1)
        assert request.made
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    with stop_on_signal() as request:
        assert not request.made


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_ask_to_stop_and_are_put_back(number):
    before = signal.getsignal(number)
    with stop_on_signal() as request:
        os.kill(os.getpid(), number)
        assert request.made
    assert signal.getsignal(number) == before


def test_handlers_from_outside_python_stay(monkeypatch):
    """A program that embeds Python may have its own: Python reads it as None, and cannot set it."""
    read, write = signal.getsignal, signal.signal
    monkeypatch.setattr(
        signal, "getsignal", lambda number: None if number == signal.SIGTERM else read(number)
    )

    def put(number, handler):
        before = write(number, handler)
        return None if number == signal.SIGTERM else before

    monkeypatch.setattr(signal, "signal", put)
    own = read(signal.SIGTERM)
    with stop_on_signal() as request:
        assert read(signal.SIGTERM) is own
        os.kill(os.getpid(), signal.SIGINT)
        assert request.made
    assert read(signal.SIGTERM) is own
