"""Nodes: code for the nodes of a graph."""

from collections.abc import Callable, Iterable, Mapping

from llvmlite import ir

from engram.engine.cpu.codegen.maths import Maths
from engram.engine.graph import Graph

_INSTRUCTIONS = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}


def emit_nodes(
    maths: Maths, graph: Graph, known: Mapping[int, ir.Value], roots: Iterable[int]
) -> list[ir.Value]:
    """Emit code for nodes of a graph, given vectors for those that are known already."""
    values = dict(known)

    def value(index: int) -> ir.Value:
        if index not in values:
            node = graph.nodes[index]
            if node.op == "constant":
                values[index] = maths.number(node.value)
            else:
                values[index] = _operation(maths, node.op, *(value(i) for i in node.operands))
        return values[index]

    return [value(root) for root in roots]


def emit_step(
    maths: Maths, graph: Graph, given: Callable[[str, str], ir.Value]
) -> dict[str, ir.Value]:
    """Emit code for a whole step.

    Args:
        maths: What writes it.
        graph: The step.
        given: A vector for each input, from its kind (``x``, ``r``, ``s`` or ``w``) and its name.

    Returns:
        The outputs by name.
    """
    known = {
        index: given(*node.name.split(".", 1))
        for index, node in enumerate(graph.nodes)
        if node.op == "input"
    }
    results = emit_nodes(maths, graph, known, graph.outputs.values())
    return dict(zip(graph.outputs, results, strict=True))


def _operation(maths: Maths, op: str, *operands: ir.Value) -> ir.Value:
    """Emit an operation of a graph."""
    b = maths.builder
    if op == "neg":
        return b.fneg(*operands)
    if op in _INSTRUCTIONS:
        # a product and the sum that it goes into may become one instruction, rounded once
        return getattr(b, _INSTRUCTIONS[op])(*operands, flags=("contract",))
    return getattr(maths, op)(*operands)
