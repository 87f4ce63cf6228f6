"""Gathers: how many numbers a core can gather, multiply and add a second, at most."""

import ctypes
import time

import numpy as np
import torch
from llvmlite import ir

from engram.engine.cpu.codegen.code import INDEX, POINTER, Code
from engram.engine.cpu.codegen.machine_code import MachineCode, compile_module
from engram.engine.cpu.codegen.maths import FORMATS
from engram.engine.cpu.codegen.target import host

# Numbers that are gathered from, and weights: both stay in the first cache.
_STATES, _WEIGHTS, _ROUNDS, _SAMPLES = 512, 1024, 2000, 15
_SUMS = 8


def gathers_a_second(dtype: torch.dtype) -> float:
    """Numbers a second on one core: weights in order, states at random places."""
    format, target = FORMATS[dtype], host()
    module = ir.Module()
    kind = ir.FunctionType(ir.VoidType(), [INDEX, *[POINTER] * 4])
    builder = ir.IRBuilder(ir.Function(module, kind, "run").append_basic_block())
    code = Code(builder, format, target)
    rounds, states, weights, places, result = builder.function.args
    zeros = [code.maths.number(0.0)] * _SUMS
    with code.loop(0, rounds, 1, zeros) as outer:
        with code.loop(0, _WEIGHTS, _SUMS * code.width, outer.values) as inner:
            for own, total in enumerate(inner.values):
                place = code.sum(inner.index, own * code.width)
                gathered = code.gather(states, code.integers(places, place, 16))
                weight = code.load(code.pointer_at(weights, place))
                inner.next.append(code.maths.fma(weight, gathered, total))
        outer.next = inner.values
    for own, total in enumerate(outer.values):
        code.store(total, code.pointer_at(result, own * code.width))
    builder.ret_void()
    machine_code = MachineCode(compile_module(module, target), target)
    signature = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * 4)
    run = signature(machine_code.address("run"))

    drawn = np.random.default_rng(0).integers(0, _STATES, _WEIGHTS).astype(np.uint16)
    arrays = [
        torch.rand(_STATES, dtype=dtype),
        torch.rand(_WEIGHTS, dtype=dtype),
        torch.from_numpy(drawn),
        torch.empty(_SUMS * code.width, dtype=dtype),
    ]
    best = float("inf")
    for _ in range(_SAMPLES):
        started = time.perf_counter()
        run(_ROUNDS, *(array.data_ptr() for array in arrays))
        best = min(best, time.perf_counter() - started)
    return _ROUNDS * _WEIGHTS / best
