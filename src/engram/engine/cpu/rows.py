"""Rows: a graph's nodes for all units of one row, also where an operation looks at all of them.

Such an operation ends a *stage*: its operand is computed for every unit and summed up, and only
then can what depends on it be computed. Each stage is a loop over the row's vectors of units; what
is dear and needed in a later stage is put aside.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from llvmlite import ir

from engram.cells.language import OVER_UNITS
from engram.engine.cpu.code import Code
from engram.engine.cpu.frame import Frame
from engram.engine.cpu.nodes import emit_nodes
from engram.engine.derivative import DEAR
from engram.engine.graph import Graph

Load = Callable[[ir.Value, ir.Value], dict[int, ir.Value]]
Write = Callable[[ir.Value, ir.Value, list[ir.Value]], None]


class Stages:
    """Which stage each node of a graph belongs to.

    Args:
        graph: The nodes.
        roots: What is wanted.
        known: What is given.

    Attributes:
        count: Of stages before the last.
        aside: Nodes that are put aside, with the stage that does it.
    """

    def __init__(self, graph: Graph, roots: Sequence[int], known: Sequence[int]) -> None:
        self.graph = graph
        self._known = set(known)
        self._stage: dict[int, int] = {}
        for root in roots:
            self._visit(root)
        self.count = max(self._stage.values(), default=0)
        self.aside = {
            index: stage
            for index, stage in self._stage.items()
            if graph.nodes[index].op in DEAR and stage < self.count and index not in graph.same
        }

    def ends(self, stage: int) -> list[int]:
        """The operations that look at all units of what this stage computes."""
        return sorted(
            index
            for index, own in self._stage.items()
            if self.graph.nodes[index].op in OVER_UNITS
            and own == stage + 1
            and index not in self._known
        )

    def _visit(self, index: int) -> int:
        if index not in self._stage:
            node = self.graph.nodes[index]
            if index in self._known or not node.operands:
                stage = 0
            else:
                stage = max(self._visit(operand) for operand in node.operands)
                stage += node.op in OVER_UNITS
            self._stage[index] = stage
        return self._stage[index]


def emit_row(
    frame: Frame,
    graph: Graph,
    roots: Sequence[int],
    vectors: tuple[ir.Value, ir.Value],
    same: Mapping[int, ir.Value],
    given: Sequence[int],
    load: Load,
    write: Write,
) -> dict[int, ir.Value]:
    """Write the loops over a row's vectors of units.

    Args:
        frame: The kernel; its argument ``aside`` has room for ``(parts, nodes, H)`` numbers.
        graph: The nodes.
        roots: What is wanted of them.
        vectors: First vector of units and the one after the last.
        same: Nodes with one number for the whole row that are known already.
        given: The nodes that `load` gives.
        load: Gives them at a unit, under a mask.
        write: Gets the roots at a unit, under a mask.

    Returns:
        The nodes with one number for the whole row that are known now.
    """
    code, hidden = frame.code, frame.words["hidden"]
    found = dict(same)
    stages = Stages(graph, roots, [*same, *given])
    slots = {index: slot for slot, index in enumerate(stages.aside)}

    def place(index: int, unit: ir.Value) -> ir.Value:
        line = code.sum(code.product(frame.part, len(slots)), slots[index])
        return code.pointer_at(frame.address("aside"), code.product(line, hidden), unit)

    for stage in range(stages.count + 1):
        ends = stages.ends(stage)
        start = [_start(code, graph.nodes[index].op) for index in ends]
        with code.loop(*vectors, 1, start) as loop:
            unit, mask = frame.units_from(loop.index, hidden)
            values = load(unit, mask) | found
            for index, own in stages.aside.items():
                if own < stage and index not in values:
                    values[index] = code.load(place(index, unit), mask)
            fresh = [index for index, own in stages.aside.items() if own == stage]
            fresh = [index for index in fresh if index not in values]
            wanted = [graph.nodes[index].operands[0] for index in ends]
            last = stage == stages.count
            results = emit_nodes(
                code.maths, graph, values, [*fresh, *wanted, *(roots if last else [])]
            )
            for index, value in zip(fresh, results, strict=False):
                code.store(value, place(index, unit), mask)
            rest = results[len(fresh) :]
            loop.next = [
                _accumulated(code, graph.nodes[index].op, so_far, value, mask)
                for index, so_far, value in zip(ends, loop.values, rest, strict=False)
            ]
            if last:
                write(unit, mask, rest[len(ends) :])
        for index, value in zip(ends, loop.values, strict=True):
            found[index] = _of_row(code, graph.nodes[index].op, value, hidden)
    return found


def _start(code: Code, op: str) -> ir.Value:
    return code.maths.number(-math.inf if op == "max" else 0.0)


def _accumulated(
    code: Code, op: str, so_far: ir.Value, value: ir.Value, mask: ir.Value
) -> ir.Value:
    """One more vector in a sum, or under a maximum; units that do not exist take no part."""
    inside = code.builder.select(mask, value, _start(code, op))
    if op == "max":
        return code.maths.maximum(so_far, inside)
    return code.builder.fadd(so_far, inside)


def _of_row(code: Code, op: str, value: ir.Value, hidden: ir.Value) -> ir.Value:
    """What the operation gives to every unit of the row."""
    total = code.largest(value) if op == "max" else code.total(value)
    if op == "mean":
        count = code.builder.sitofp(hidden, code.format.scalar)
        total = code.builder.fdiv(total, count)
    return code.splat(total)
