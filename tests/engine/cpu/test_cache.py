"""Kernels on disk: taken from there when they are whole, made again when they are not."""

import subprocess
import sys

import pytest
import torch

from engram.cells import make_cell
from engram.engine.compiled.plan import plan
from engram.engine.cpu.codegen.target import host
from engram.engine.cpu.kernels.forward import ForwardKind
from engram.engine.cpu.runtime import cache
from engram.engine.cpu.runtime.kernels import Kernels
from helpers import children

KIND = ForwardKind(resets=False, keeping=True, from_input=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kernels"


def _made():
    kernels = Kernels(plan(make_cell("elman")), torch.float32, host())
    kernels.forward(KIND)
    return kernels.made[0]


def test_made_once_and_then_taken_from_the_disk(folder):
    first, second = _made(), _made()
    assert (first.from_disk, second.from_disk) == (False, True)
    assert first.size == second.size
    assert len(list(folder.glob("*.o"))) == 1
    assert not list(folder.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage", [lambda b: b[:-3], lambda b: b[:50] + b"x" + b[51:], lambda b: b""]
)
def test_a_damaged_entry_is_made_again(folder, damage):
    _made()
    (entry,) = folder.glob("*.o")
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    assert not _made().from_disk
    assert entry.read_bytes() == whole
    assert _made().from_disk


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path, monkeypatch):
    cache._warn_once.cache_clear()
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="compiled cells are not kept on disk: .*ENGRAM_CACHE"):
        _made()
    assert not _made().from_disk


def test_other_vectors_are_another_entry(folder):
    from dataclasses import replace

    _made()
    narrow = replace(host(), vector_bits=128, registers=16)
    kernels = Kernels(plan(make_cell("elman")), torch.float32, narrow)
    kernels.forward(KIND)
    assert not kernels.made[0].from_disk
    assert len(list(folder.glob("*.o"))) == 2


@pytest.mark.slow
def test_two_processes_fill_it_at_once(folder, tmp_path):
    code = f"""
import os, torch, engram
os.environ["ENGRAM_CACHE"] = {str(folder.parent)!r}
engram.RNN(2, 3)(torch.ones(4, 1, 2))
"""
    printed = [tmp_path / "one", tmp_path / "other"]
    running = [children.python(code, each) for each in printed]
    assert [children.ended_well(*each) for each in zip(running, printed, strict=True)] == ["", ""]
    assert len(list(folder.glob("*.o"))) == 2  # the step, and what packs its weights


@pytest.mark.slow
def test_a_limit_of_the_environment_is_another_entry_and_is_told(folder, monkeypatch):
    code = (
        "import torch, engram; layer = engram.RNN(2, 3)\n"
        "print(engram.engine_of(layer, torch.ones(4, 1, 2)).reason)"
    )

    def reason():
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        ).stdout

    narrow = host().vector_bits == 128
    monkeypatch.delenv("ENGRAM_VECTOR_BITS", raising=False)
    assert "vectors" not in reason()
    without = set(folder.glob("*.o"))
    monkeypatch.setenv("ENGRAM_VECTOR_BITS", "128")
    assert "with vectors of 128 bits at most (ENGRAM_VECTOR_BITS)" in reason()
    limited = set(folder.glob("*.o")) - without
    assert len(limited) == (0 if narrow else len(without))
