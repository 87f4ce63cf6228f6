"""Event files: what metrics.jsonl holds, as scalars; they go on where a run is resumed."""

import json
import os
import sys

import pytest

from engram.cli.main import main
from engram.errors import ConfigError
from engram.training.reporting import Plan
from engram.training.tensorboard import TensorBoard

FLAGS = ["--hidden", "4", "--lanes", "2", "--steps", "5", "--epochs", "2", "--log-every", "3"]


def _scalars(folder):
    """Steps and values by tag, as TensorBoard reads them."""
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reading.EventAccumulator(str(folder)).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_a_run_writes_its_metrics_and_is_replaced_with_them(tmp_path, capsys):
    pytest.importorskip("tensorboard")
    text, run = tmp_path / "text.txt", tmp_path / "run"
    text.write_text("one two three four " * 40)
    argv = ["train", "language-model", "--data", str(text), "--run-dir", str(run), *FLAGS]
    assert main([*argv, "--norm-stabilizer", "1", "--tensorboard"]) == 0
    told = _scalars(run / "tensorboard")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    train = [line for line in lines if line["kind"] == "train"]
    valid = [line for line in lines if line["kind"] == "valid"]
    assert train
    assert valid
    for tag, field, of in [
        ("train/loss", "loss", train),
        ("train/rate", "rate", train),
        ("train/gradient norm", "gradient_norm", train),
        ("valid/loss", "loss", valid),
    ]:
        assert told[tag] == [(line["update"], pytest.approx(line[field])) for line in of]
    assert len(told["train/penalty norm_stabilizer"]) == len(train)
    assert main([*argv, "--overwrite"]) == 0
    assert not (run / "tensorboard").exists()


def test_a_resumed_training_hides_what_came_after_its_checkpoint(tmp_path):
    pytest.importorskip("tensorboard")
    from engram.training.reporting import Logged

    def write(first, updates, loss):
        reporter = TensorBoard(tmp_path)
        reporter.begin(Plan(9, first, 9, 1))
        for update in updates:
            reporter.logged(Logged(update, 1, loss, 1.0, 0.0, 0.1, 10.0))
        reporter.end(None)

    write(0, (1, 2, 3, 4), 5.0)
    for name in os.listdir(tmp_path):  # of an earlier second, as TensorBoard goes by their names
        os.rename(tmp_path / name, tmp_path / name.replace("tfevents.", "tfevents.0"))
    write(2, (3, 4, 5), 6.0)
    assert _scalars(tmp_path)["train/loss"] == [(1, 5.0), (2, 5.0), (3, 6.0), (4, 6.0), (5, 6.0)]


def test_without_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"pip install 'engram\[tensorboard\]'"):
        TensorBoard(tmp_path)
