"""Targets: no description of a machine contradicts itself, and the environment limits the host."""

from dataclasses import replace

import pytest
import torch

from engram.cells import make_cell
from engram.engine.compiled.plan import plan
from engram.engine.cpu.codegen.target import limited
from engram.engine.cpu.runtime import kernels
from engram.engine.cpu.runtime.kernels import BackwardKind, Kernels
from engram.errors import ConfigError
from helpers.machines import MACHINES


@pytest.mark.parametrize(
    ("bits", "wider", "missing"), [(128, 256, "avx2"), (256, 512, "avx512f"), (128, 512, "avx512f")]
)
def test_vectors_that_the_features_lack_are_refused(bits, wider, missing):
    with pytest.raises(ConfigError, match=f"{wider} bits needs .*{missing}.* missing"):
        replace(MACHINES[bits], vector_bits=wider)


def test_a_matrix_unit_that_the_features_lack_is_refused():
    with pytest.raises(ConfigError, match="amx-bf16 is missing"):
        replace(MACHINES[512], matrix=True)


def test_narrower_vectors_are_allowed():
    assert replace(MACHINES[512], vector_bits=128).enabled == MACHINES[512].enabled


@pytest.mark.parametrize("bits", [128, 256])
def test_a_limit_switches_off_what_is_wider(bits):
    narrow = limited(MACHINES[512], str(bits))
    assert (narrow.vector_bits, narrow.registers, narrow.matrix) == (bits, 16, False)
    assert not any(name.startswith("avx512") for name in narrow.enabled)
    assert narrow.enabled == MACHINES[256].enabled


def test_a_limit_above_the_machine_changes_nothing():
    assert limited(MACHINES[256], "512") == MACHINES[256]


def test_another_limit_is_refused():
    with pytest.raises(ConfigError, match="ENGRAM_VECTOR_BITS is '64'"):
        limited(MACHINES[256], "64")


def test_a_cell_that_looks_at_rows_has_code_for_a_machine_with_a_matrix_unit(monkeypatch):
    wide = MACHINES[512]
    target = replace(wide, features=f"{wide.features},+amx-bf16,+amx-tile", matrix=True)
    made = []
    monkeypatch.setattr(kernels, "compile_module", lambda module, _: made.append(str(module)))
    cell = Kernels(plan(make_cell("lstm-layer-norm")), torch.float32, target)
    cell._compile(BackwardKind(resets=False, to_input=True, matrix=True))
    assert "tdpbf16ps" in made[0]
