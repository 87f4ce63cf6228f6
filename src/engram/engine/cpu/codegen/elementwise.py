"""A graph as a function over arrays: every output of every element in one pass."""

import ctypes
from functools import cache

import torch
from llvmlite import ir
from torch import Tensor

from engram.engine.cpu.codegen.code import INDEX, POINTER, Code
from engram.engine.cpu.codegen.machine_code import MachineCode, compile_module
from engram.engine.cpu.codegen.maths import FORMATS, Format
from engram.engine.cpu.codegen.nodes import emit_nodes
from engram.engine.cpu.codegen.target import Target, host
from engram.engine.graph import Graph


class Elementwise:
    """A compiled graph.

    Args:
        graph: What is computed.
        format: Of the numbers.
        target: For which machine.
    """

    def __init__(self, graph: Graph, format: Format, target: Target) -> None:
        self.graph = graph
        module = ir.Module()
        _emit(module, graph, format, target)
        self._machine_code = MachineCode(compile_module(module, target), target)
        signature = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)
        self._call = signature(self._machine_code.address("run"))

    def __call__(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute the outputs from contiguous inputs of one shape."""
        first = inputs[self.graph.inputs()[0]]
        outputs = {name: torch.empty_like(first) for name in self.graph.outputs}
        arrays = [inputs[name] for name in self.graph.inputs()] + list(outputs.values())
        pointers = (ctypes.c_void_p * len(arrays))(*(a.data_ptr() for a in arrays))
        self._call(first.numel(), ctypes.addressof(pointers))
        return outputs


def _emit(module: ir.Module, graph: Graph, format: Format, target: Target) -> None:
    """``run(n, arrays)``: vector by vector, the last one masked."""
    kind = ir.FunctionType(ir.VoidType(), [INDEX, POINTER])
    function = ir.Function(module, kind, "run")
    builder = ir.IRBuilder(function.append_basic_block())
    code = Code(builder, format, target)
    count, table = function.args
    # an input and an output may have the same name: a gate and its gradient
    count_in = len(graph.inputs())
    arrays = [
        builder.inttoptr(code.word_at(table, place), POINTER)
        for place in range(count_in + len(graph.outputs))
    ]
    sources = dict(zip(graph.inputs(), arrays, strict=False))
    with code.loop(0, count, code.width) as loop:
        mask = code.mask(code.sum(count, builder.neg(loop.index)))
        known = {
            index: code.load(code.pointer_at(sources[node.name], loop.index), mask)
            for index, node in enumerate(graph.nodes)
            if node.op == "input"
        }
        results = emit_nodes(code.maths, graph, known, graph.outputs.values())
        for target_array, value in zip(arrays[count_in:], results, strict=True):
            code.store(value, code.pointer_at(target_array, loop.index), mask)
    builder.ret_void()


@cache
def compiled(name: str, dtype: torch.dtype) -> Elementwise:
    """One operation as a function, for measuring its error."""
    graph = Graph()
    graph.outputs["y"] = graph.apply(name, graph.input("x"))
    return Elementwise(graph, FORMATS[dtype], host())
