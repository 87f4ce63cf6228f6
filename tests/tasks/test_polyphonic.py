"""Polyphonic music from a file to a figure."""

import json

import numpy as np
import pytest
import torch

from engram.cli.main import main
from engram.data.arrays.sequences import Sequences
from engram.data.sound.piano_rolls import COLUMNS
from engram.tasks import fitting, polyphonic

SETTINGS = polyphonic.PolyphonicSettings(
    data="memory", hidden=24, epochs=15, rate=0.02, batch=4, transpose=2
)


def _pieces(count, seed=0):
    """Chords that take turns: where a piece begins decides all of it."""
    draw = np.random.default_rng(seed)
    pieces = []
    for _ in range(count):
        first, steps = int(draw.integers(3)), int(draw.integers(8, 16))
        roll = np.zeros((steps, 88), dtype=np.float32)
        for t in range(steps):
            roll[t, [30 + 4 * ((first + t) % 3), 50]] = 1.0
        pieces.append(roll)
    return pieces


def _data(valid=True):
    parts = {"train": Sequences.of(_pieces(60), COLUMNS), "test": Sequences.of(_pieces(9, 2))}
    parts |= {"valid": Sequences.of(_pieces(9, 1), COLUMNS)} if valid else {}
    return polyphonic.make_data(parts, [])


@pytest.mark.slow
def test_is_learnt():
    settings = SETTINGS.model_copy(update={"transpose": 0, "epochs": 40})
    trained, _ = fitting.fit(polyphonic.TASK, settings, _data())
    measures = polyphonic.evaluate(trained, _data().test).measures
    assert measures["NLL per step"] < 1.0  # one of three chords would be 1.1 nats, at best
    assert measures["frame accuracy"] > 0.95
    assert measures["steps"] == _data().test.lengths.sum() - 9


def test_the_measure_by_hand():
    torch.manual_seed(0)
    model = polyphonic.TASK.build(SETTINGS, polyphonic.Keys()).eval()
    pieces = _pieces(5, 3)
    total, count = 0.0, 0
    for piece in pieces:
        roll = torch.from_numpy(piece).unsqueeze(1)
        p = model(roll[:-1])[0].sigmoid()
        total -= (roll[1:] * p.log() + (1 - roll[1:]) * (1 - p).log()).sum().item()
        count += len(piece) - 1
    found = polyphonic.part_loss(model, Sequences.of(pieces))
    assert found == pytest.approx(total / count, rel=1e-5)


def test_transposition_is_the_same_for_the_same_epoch_and_only_in_training():
    data = _data()
    first, again, other = (
        next(iter(polyphonic.TASK.source(SETTINGS, data).batches(epoch))) for epoch in (1, 1, 2)
    )
    assert torch.equal(first.inputs, again.inputs)
    assert not torch.equal(first.inputs[:1].sum(0), other.inputs[:1].sum(0))
    assert data.valid.values.any(0).nonzero()[0].tolist() == [30, 34, 38, 50]


def test_from_a_file_to_a_figure_by_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pieces = [[[21 + int(k) for k in np.flatnonzero(s)] for s in p] for p in _pieces(24)]
    parts = {"train": pieces[:16], "valid": pieces[16:20], "test": pieces[20:]}
    (tmp_path / "a.json").write_text(json.dumps(parts))
    command = "train polyphonic --data a.json --hidden 8 --epochs 2 --run-dir run"
    assert main(command.split()) == 0
    assert "test part: NLL per step" in capsys.readouterr().out
    assert main(["eval", "run", "--data", "a.json", "--part", "valid"]) == 0
    assert main(["predict", "run", "--data", "a.json"]) == 0
    assert "piece,steps,next" in capsys.readouterr().out
    assert main(["info", "run"]) == 0
    assert main(["eval", "run", "--data", "a.json", "--part", "tset"]) == 2
