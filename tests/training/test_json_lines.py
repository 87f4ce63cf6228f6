"""Files of JSON lines: whole lines are read, one that a kill cut is not, and damage is named."""

import math

import pytest

from engram.errors import RunError
from engram.training.json_lines import append_line, check_sum, read_lines, synced_size


def test_what_was_added_is_read(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert (read_lines(path, lambda *given: given), synced_size(path)) == ([], 0)
    append_line(path, {"loss": 0.5, "worst": math.inf})
    append_line(path, {"loss": 0.25})
    with open(path, "a") as file:
        file.write('{"loss": 0.1')
    assert read_lines(path, lambda *given: given) == [
        ({"loss": 0.5, "worst": math.inf}, f"line 1 of {path}"),
        ({"loss": 0.25}, f"line 2 of {path}"),
    ]
    assert synced_size(path) == path.stat().st_size


def test_damage_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(RunError, match=rf"line 2 of {path} is damaged \(.*\); remove it"):
        read_lines(path, lambda value, source: value)
    with pytest.raises(RunError, match="cannot write"):
        append_line(tmp_path / "none" / "x.jsonl", {})


def test_a_sum_tells_of_changed_bytes(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"abc")
    assert check_sum(path, 2) == check_sum(path, 2) != check_sum(path, 3)
    before = check_sum(path, 2)
    path.write_bytes(b"abd")
    assert check_sum(path, 2) == before
    path.write_bytes(b"axd")
    assert check_sum(path, 2) != before
    assert check_sum(path, 0) == 0
