"""A graph as a function over arrays: every output of every element in one pass."""

import ctypes
from collections.abc import Sequence
from functools import cache

import llvmlite.binding as llvm
import torch
from llvmlite import ir
from torch import Tensor

from engram.engine.cpu.maths import DOUBLE, FLOAT, Format, Maths, operation
from engram.engine.cpu.target import Target, host
from engram.engine.graph import Graph

FORMATS = {torch.float32: FLOAT, torch.float64: DOUBLE}


class Elementwise:
    """A compiled graph; keeps its machine code alive.

    Args:
        graph: What is computed.
        format: Of the numbers.
        target: For which machine.
    """

    def __init__(self, graph: Graph, format: Format, target: Target) -> None:
        self.graph = graph
        self.names = [*graph.inputs(), *graph.outputs]
        module = ir.Module(name="elementwise")
        module.triple = target.triple
        _emit(module, graph, format, target.vector_bits // format.bits)
        parsed = llvm.parse_assembly(str(module))
        machine = target.machine()
        options = llvm.create_pipeline_tuning_options(speed_level=3)
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(parsed, builder)
        self._engine = llvm.create_mcjit_compiler(parsed, machine)
        self._engine.finalize_object()
        address = self._engine.get_function_address("run")
        self._call = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(address)

    def __call__(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute the outputs of contiguous inputs of one shape."""
        first = inputs[self.graph.inputs()[0]]
        outputs = {name: torch.empty_like(first) for name in self.graph.outputs}
        arrays = [inputs[name] for name in self.graph.inputs()] + list(outputs.values())
        pointers = (ctypes.c_void_p * len(arrays))(*(a.data_ptr() for a in arrays))
        self._call(first.numel(), ctypes.addressof(pointers))
        return outputs


def emit_graph(maths: Maths, graph: Graph, inputs: dict[str, ir.Value]) -> dict[str, ir.Value]:
    """Emit code for a graph's outputs, given vectors for its inputs."""
    values: dict[int, ir.Value] = {}
    for index in graph.needed(graph.outputs.values()):
        node = graph.nodes[index]
        if node.op == "input":
            values[index] = inputs[node.name]
        elif node.op == "constant":
            values[index] = maths.number(node.value)
        else:
            values[index] = operation(maths, node.op, *(values[i] for i in node.operands))
    return {name: values[index] for name, index in graph.outputs.items()}


def _emit(module: ir.Module, graph: Graph, format: Format, width: int) -> None:
    """``run(n, arrays)``: whole vectors first, then the rest one by one."""
    count, pointer = ir.IntType(64), ir.IntType(8).as_pointer()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [count, pointer]), "run")
    builder = ir.IRBuilder(function.append_basic_block())
    total, table = function.args
    slots = builder.bitcast(table, format.scalar.as_pointer().as_pointer())
    names = [*graph.inputs(), *graph.outputs]
    arrays = [builder.load(builder.gep(slots, [ir.Constant(count, i)])) for i in range(len(names))]
    whole = builder.and_(total, ir.Constant(count, -width))
    _loop(builder, graph, format, width, arrays, ir.Constant(count, 0), whole)
    _loop(builder, graph, format, 1, arrays, whole, total)
    builder.ret_void()


def _loop(
    builder: ir.IRBuilder,
    graph: Graph,
    format: Format,
    width: int,
    arrays: Sequence[ir.Value],
    start: ir.Value,
    stop: ir.Value,
) -> None:
    maths = Maths(builder, format, width)
    function, before = builder.function, builder.block
    head, body, after = (function.append_basic_block(name) for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(start.type)
    index.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", index, stop), body, after)
    builder.position_at_end(body)
    places = [
        builder.bitcast(builder.gep(array, [index]), maths.type.as_pointer()) for array in arrays
    ]
    inputs = graph.inputs()
    align = format.bits // 8
    values = {
        name: builder.load(place, align=align) for name, place in zip(inputs, places, strict=False)
    }
    results = emit_graph(maths, graph, values)
    for name, place in zip(graph.outputs, places[len(inputs) :], strict=True):
        builder.store(results[name], place, align=align)
    index.add_incoming(builder.add(index, ir.Constant(start.type, width)), builder.block)
    builder.branch(head)
    builder.position_at_end(after)


@cache
def compiled(name: str, dtype: torch.dtype) -> Elementwise:
    """One operation as a function, for measuring its error."""
    graph = Graph()
    graph.outputs["y"] = graph.apply(name, graph.input("x"))
    return Elementwise(graph, FORMATS[dtype], host())
