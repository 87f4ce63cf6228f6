"""Kernels for sparse recurrent weights: as a plain loop, at every kind of size."""

import ctypes
from dataclasses import replace

import pytest
import torch
from llvmlite import ir

from engram.cells import Cell
from engram.cells.language import tanh
from engram.engine import reference
from engram.engine.cpu.codegen.code import POINTER, Code
from engram.engine.cpu.codegen.machine_code import MachineCode, compile_module
from engram.engine.cpu.codegen.target import host
from engram.engine.cpu.kernels import broadcasting, gathering
from engram.engine.cpu.runtime import sparse, sparse_packing
from engram.engine.cpu.runtime.kernels import FORMATS
from engram.engine.cpu.runtime.sparse import SparseCell
from engram.engine.sequence import Weights
from engram.engine.trace import trace
from helpers.abilities import need_vectors_of
from helpers.machines import MACHINES, can_compile_for_x86

FEATURES = 5
TOLERANCES = {torch.float32: 2e-5, torch.float64: 1e-12}


class Leaky(Cell):
    gates = ("a",)
    weights = ("leak", "gain")

    def step(self, x, r, s, w):
        return {"h": (1 - w.leak) * s.h + w.leak * tanh(x.a + w.gain * r.a)}


def _problem(units, batch, steps, dtype, density=0.3):
    generator = torch.Generator().manual_seed(units * 1000 + batch)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    there = torch.rand(units, units, generator=generator) < density
    recurrent = draw(units, units) * there / max(density * units, 1.0) ** 0.5
    per_unit = {"leak": draw(units).sigmoid(), "gain": 1.0 + 0.1 * draw(units)}
    weights = Weights(draw(units, FEATURES), recurrent, draw(units), None, per_unit)
    lengths = torch.randint(1, steps + 1, (batch,), generator=generator)
    return weights, draw(steps, batch, FEATURES), draw(batch, units), lengths


def _looped(weights, x, state):
    return reference.run(Leaky(), x, weights, {"h": state}).output


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("kernel", ["gathering", "broadcasting", "broadcasting large"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("units", [1, 7, 16, 33, 150])
def test_as_a_plain_loop(units, threads, kernel, dtype, monkeypatch):
    torch.set_num_threads(threads)
    monkeypatch.setattr(sparse, "_few", lambda batch: kernel == "gathering")
    monkeypatch.setattr(sparse, "_CACHED_BYTES", 0 if kernel.endswith("large") else 1 << 20)
    monkeypatch.setattr(sparse, "_WEIGHTS_TO_SPLIT", 0)
    monkeypatch.setattr(sparse, "_BLOCK_BYTES", 16 * 1024)
    for batch in (1, 2, 3, 9, 70, 131):
        weights, x, initial, lengths = _problem(units, batch, 5, dtype)
        expected = _looped(weights, x, initial)
        cell = SparseCell(Leaky(), weights)
        found = cell.run(x, initial)
        torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCES[dtype])
        found = cell.run(x, initial, lengths)
        valid = torch.arange(5)[:, None] < lengths
        torch.testing.assert_close(found[valid], expected[valid], rtol=0, atol=TOLERANCES[dtype])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [1, 3, 9])
def test_single_steps_are_the_steps_of_a_run(batch, threads, monkeypatch):
    torch.set_num_threads(threads)
    monkeypatch.setattr(sparse, "_WEIGHTS_TO_WAKE", 0)
    weights, x, state, _ = _problem(40, batch, 6, torch.float64)
    cell = SparseCell(Leaky(), weights)
    for now, expected in zip(x, cell.run(x, state), strict=True):
        state = cell.step(now, state)
        torch.testing.assert_close(state, expected, rtol=0, atol=1e-14)


def test_units_without_weights():
    weights, x, initial, _ = _problem(20, 2, 4, torch.float64)
    for rows in (slice(3, 11), slice(0, 20)):
        weights.recurrent[rows] = 0.0
        for few in (1, 2):
            found = SparseCell(Leaky(), weights).run(x[:, :few], initial[:few])
            torch.testing.assert_close(found, _looped(weights, x[:, :few], initial[:few]))


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("batch", [1, 7])
def test_numbers_of_units(batch, bits, monkeypatch):
    weights, x, initial, _ = _problem(600, batch, 4, torch.float64, density=0.01)
    monkeypatch.setattr(sparse_packing, "_MORE_FOR_BYTES", 10.0 if bits == 8 else -1.0)
    monkeypatch.setattr(sparse_packing, "_UNITS_IN_16_BITS", 599 if bits == 32 else 600)
    cell = SparseCell(Leaky(), weights)
    torch.testing.assert_close(cell.run(x, initial), _looped(weights, x, initial))
    packed = cell._gathered if batch == 1 else cell._broadcast_weights(1)[1]
    expected = bits if batch == 1 or bits == 32 else 16
    assert packed["columns"].dtype.itemsize * 8 == expected


@pytest.mark.parametrize("bits", [128, 256, 512])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_code_for_narrower_vectors(dtype, bits):
    """Written for any width, and compiled for a processor that has no wider vectors."""
    if not can_compile_for_x86():
        pytest.skip("LLVM has no x86 here")
    target = MACHINES[bits]
    graph, format = trace(Leaky()), FORMATS[dtype]
    for write in (
        lambda module: gathering.emit_gathering(module, graph, Leaky.weights, format, target, 8),
        lambda module: broadcasting.emit_broadcasting(
            module, graph, Leaky.weights, format, target, 32, 2
        ),
    ):
        module = ir.Module()
        write(module)
        assert compile_module(module, target)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("bits", [128, 256, 512])
def test_vectors_are_transposed(dtype, bits):
    need_vectors_of(bits)
    target = replace(host(), vector_bits=bits, matrix=False)
    module = ir.Module()
    kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER])
    builder = ir.IRBuilder(ir.Function(module, kind, "turn").append_basic_block())
    code = Code(builder, FORMATS[dtype], target)
    source, goal = builder.function.args
    rows = [code.load(code.pointer_at(source, row * code.width)) for row in range(code.width)]
    for row, value in enumerate(code.transposed(rows)):
        code.store(value, code.pointer_at(goal, row * code.width))
    builder.ret_void()
    machine_code = MachineCode(compile_module(module, target), target)
    turn = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(machine_code.address("turn"))
    given = torch.arange(code.width**2, dtype=dtype).view(code.width, code.width)
    found = torch.empty_like(given)
    turn(given.data_ptr(), found.data_ptr())
    assert torch.equal(found, given.t())


@pytest.mark.parametrize(("density", "bits"), [(0.1, 8), (0.005, 16)])
def test_weights_are_packed_small(density, bits):
    """Units are sorted by their number of weights, so that few zeros are added."""
    weights, *_ = _problem(600, 1, 1, torch.float64, density=density)
    packed = SparseCell(Leaky(), weights)._gathered
    count = int(torch.count_nonzero(weights.recurrent))
    assert packed["values"].numel() < (1.1 if density == 0.1 else 1.5) * count
    assert packed["columns"].dtype.itemsize * 8 == bits
    assert sorted(packed["units"].tolist()) == list(range(600))
    torch.testing.assert_close(packed["values"].sum(), weights.recurrent.sum())
