"""The last lines of a run, which say what was not tested."""

from types import SimpleNamespace

import pytest

from helpers import abilities


def _skipped(said, when="call"):
    return SimpleNamespace(when=when, longrepr=("test_x.py", 3, f"Skipped: {said}"))


def test_each_lacking_ability_is_counted(monkeypatch):
    lacking = {abilities.MATRIX_UNIT: True, "no CUDA device": True, "no second processor": False}
    monkeypatch.setattr(abilities, "_LACKING", lacking)
    missing = "could not import 'PIL.Image': No module named 'PIL'"
    reports = [
        *(_skipped(abilities.MATRIX_UNIT) for _ in range(3)),
        _skipped(missing),
        _skipped(missing, when="collect"),
        _skipped("needs fork"),
    ]
    assert abilities.not_tested(reports) == [
        "1 file: PIL is not installed",
        "3 tests: no matrix unit on this machine",
        "0 tests: no CUDA device",
        "1 test: PIL is not installed",
        "1 test: needs fork",
    ]


def test_vectors_that_a_machine_lacks_are_skipped(monkeypatch):
    monkeypatch.setattr(abilities, "host", lambda: SimpleNamespace(vector_bits=256))
    abilities.need_vectors_of(256)
    with pytest.raises(pytest.skip.Exception, match="no vectors of 512 bits"):
        abilities.need_vectors_of(512)
