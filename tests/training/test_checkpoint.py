"""Checkpoints: whole or refused, and the one before used where the last is damaged."""

import pytest
import torch

from engram.errors import RunError
from engram.training.checkpoint import (
    FILE,
    PREVIOUS,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)


def _checkpoint(update):
    tensors = {
        "model.w": torch.full((3, 4), float(update)),
        "scalar": torch.tensor(update),
        "empty": torch.zeros(0),
        "random": torch.arange(5, dtype=torch.uint8),
        "half": torch.ones(3, dtype=torch.bfloat16),
    }
    return Checkpoint(tensors, {"update": update, "x": 0.1 + 0.2})


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def _flip(path):
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw)


def _garble_header(path):
    raw = bytearray(path.read_bytes())
    raw[12] ^= 1
    path.write_bytes(raw)


def _empty(path):
    path.write_bytes(b"")


DAMAGES = [_truncate, _flip, _garble_header, _empty]


def test_round_trip(tmp_path):
    save_checkpoint(tmp_path, _checkpoint(1))
    loaded, notice = load_checkpoint(tmp_path)
    assert notice is None
    assert loaded.facts == _checkpoint(1).facts
    for name, value in _checkpoint(1).tensors.items():
        torch.testing.assert_close(loaded.tensors[name], value, rtol=0, atol=0)
    assert list(loaded.group("model")) == ["w"]


def test_nothing_saved_is_nothing_loaded(tmp_path):
    assert load_checkpoint(tmp_path) == (None, None)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_is_named_and_the_previous_one_used(tmp_path, damage):
    for update in (1, 2, 3):
        save_checkpoint(tmp_path, _checkpoint(update))
    raw = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).unlink()  # so that the previous one, perhaps a link, is not touched
    (tmp_path / FILE).write_bytes(raw)
    damage(tmp_path / FILE)
    loaded, notice = load_checkpoint(tmp_path)
    assert loaded.facts["update"] == 2
    assert str(tmp_path / FILE) in notice
    assert "damaged" in notice


def test_all_damaged_is_refused(tmp_path):
    for update in (1, 2):
        save_checkpoint(tmp_path, _checkpoint(update))
    for name in (FILE, PREVIOUS):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(RunError, match=r"state\.safetensors.*previous\.safetensors.*--overwrite"):
        load_checkpoint(tmp_path)
