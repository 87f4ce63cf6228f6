"""Rows: a graph's nodes for all units of a row, also where an operation looks at all of them.

Such an operation ends a *stage*: its operand is computed for every unit and summed up, and only
then can what depends on it be computed. Each stage is a loop over the row's vectors of units; what
is expensive and needed in a later stage is stored. What has one number for the row is computed once
for it, between the stages, and not in vectors.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from llvmlite import ir

from engram.cells.language import OVER_UNITS
from engram.engine.cpu.codegen.code import Code
from engram.engine.cpu.codegen.maths import Maths
from engram.engine.cpu.codegen.nodes import emit_nodes
from engram.engine.cpu.kernels.frame import Frame
from engram.engine.derivative import EXPENSIVE
from engram.engine.graph import Graph


@dataclass(frozen=True)
class Row:
    """What the code for one row is made of.

    Attributes:
        numbers: Addresses of the nodes that are known already and one number for the row.
        load: Gives other known nodes at a unit, under a mask.
        write: Gets the wanted nodes at a unit, under a mask.
        finish: Gets those of the wanted nodes that are one number for the row.
    """

    numbers: Mapping[int, ir.Value]
    load: Callable[[ir.Value, ir.Value], dict[int, ir.Value]]
    write: Callable[[ir.Value, ir.Value, list[ir.Value]], None]
    finish: Callable[[dict[int, ir.Value]], None] = lambda numbers: None


class Stages:
    """Which stage each node of a graph belongs to.

    Args:
        graph: The nodes.
        roots: What is wanted.
        known: What is given.

    Attributes:
        count: Of stages before the last.
        aside: Nodes that are put aside, with the stage that does it.
        numbers: Nodes with one number for the row that stages hand on, with the first stage that
            finds them there.
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
            if graph.nodes[index].op in EXPENSIVE and stage < self.count and index not in graph.same
        }
        handed_on = set(roots)
        for index, stage in self._stage.items():
            if index not in self._known:
                by_unit = index not in graph.same or graph.nodes[index].op in OVER_UNITS
                operands = graph.nodes[index].operands
                handed_on.update(o for o in operands if by_unit or self._stage[o] < stage)
        self.numbers = {
            index: self._stage[index]
            for index in sorted(handed_on & graph.same)
            if graph.nodes[index].op != "constant"
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


def emit_rows(
    frame: Frame,
    graph: Graph,
    by_unit: Sequence[int],
    by_row: Sequence[int],
    known: Sequence[int],
    rows: tuple[ir.Value, ir.Value],
    vectors: tuple[ir.Value, ir.Value],
    row: Callable[[ir.Value], Row],
) -> None:
    """Write the loops over rows and their vectors of units.

    Args:
        frame: The kernel; its argument ``aside`` has room for ``(parts, nodes, H)`` numbers.
        graph: The nodes.
        by_unit: What is wanted of them for every unit.
        by_row: What is wanted of them that is one number for the row.
        known: The nodes that a row gives.
        rows: First row and the one after the last.
        vectors: First vector of units and the one after the last.
        row: Gives what belongs to a row.
    """
    stages = Stages(graph, [*by_unit, *by_row], known)
    with frame.code.loop(*rows) as one:
        _Row(frame, stages, vectors, row(one.index)).emit(by_unit, by_row)


class _Row:
    """One row's loops over its vectors of units while they are being written."""

    def __init__(
        self, frame: Frame, stages: Stages, vectors: tuple[ir.Value, ir.Value], row: Row
    ) -> None:
        self.frame, self.stages, self.vectors, self.row = frame, stages, vectors, row
        self.code, self.hidden, self.graph = frame.code, frame.words["hidden"], stages.graph
        self.slots = {index: slot for slot, index in enumerate(stages.aside)}
        # numbers by themselves: a matrix unit goes with the widest vectors alone
        target = replace(frame.target, vector_bits=self.code.format.bits, matrix=False)
        self.scalar = Maths(self.code.builder, self.code.format, target)

    def emit(self, by_unit: Sequence[int], by_row: Sequence[int]) -> None:
        b, stages = self.code.builder, self.stages
        known = {i: b.load(at, typ=self.scalar.type) for i, at in self.row.numbers.items()}
        numbers = self._numbers(0, known)
        for stage in range(stages.count):
            totals = self._emit_stage(stage, numbers, [])
            numbers |= self._numbers(stage + 1, numbers | totals)
        self._emit_stage(stages.count, numbers, by_unit)
        self.row.finish({index: numbers[index] for index in by_row})

    def _numbers(self, stage: int, known: Mapping[int, ir.Value]) -> dict[int, ir.Value]:
        """The numbers of the row that a stage is the first to find."""
        fresh = [index for index, own in self.stages.numbers.items() if own == stage]
        values = emit_nodes(self.scalar, self.graph, known, fresh)
        return dict(zip(fresh, values, strict=True))

    def _emit_stage(
        self, stage: int, numbers: Mapping[int, ir.Value], wanted: Sequence[int]
    ) -> dict[int, ir.Value]:
        """The loop of a stage; what it sums up."""
        code, nodes = self.code, self.graph.nodes
        spread = {index: code.splat(code.first(value)) for index, value in numbers.items()}
        ends = self.stages.ends(stage)
        start = [_start(code, nodes[index].op) for index in ends]
        with code.loop(*self.vectors, 1, start) as loop:
            unit, mask = self.code.units_from(loop.index, self.hidden)
            values = self.row.load(unit, mask) | spread
            for index, own in self.stages.aside.items():
                if own < stage and index not in values:
                    values[index] = code.load(self._aside(index, unit), mask)
            fresh = [index for index, own in self.stages.aside.items() if own == stage]
            fresh = [index for index in fresh if index not in values]
            summed = [nodes[index].operands[0] for index in ends]
            results = emit_nodes(code.maths, self.graph, values, [*fresh, *summed, *wanted])
            for index, value in zip(fresh, results, strict=False):
                code.store(value, self._aside(index, unit), mask)
            rest = results[len(fresh) :]
            loop.next = [
                _accumulated(code, nodes[index].op, so_far, value, mask)
                for index, so_far, value in zip(ends, loop.values, rest, strict=False)
            ]
            if wanted:
                self.row.write(unit, mask, rest[len(ends) :])
        return {
            index: self._of_row(nodes[index].op, value)
            for index, value in zip(ends, loop.values, strict=True)
        }

    def _aside(self, index: int, unit: ir.Value) -> ir.Value:
        """Where a node's vector is put aside."""
        code = self.code
        line = code.sum(code.product(self.frame.threads.part, len(self.slots)), self.slots[index])
        return code.pointer_at(self.frame.address("aside"), code.product(line, self.hidden), unit)

    def _of_row(self, op: str, value: ir.Value) -> ir.Value:
        """What the operation gives to every unit of the row."""
        code, b = self.code, self.code.builder
        total = code.largest(value) if op == "max" else code.total(value)
        if op == "mean":
            total = b.fdiv(total, b.sitofp(self.hidden, code.format.scalar))
        undefined = ir.Constant(self.scalar.type, ir.Undefined)
        return b.insert_element(undefined, total, ir.Constant(ir.IntType(32), 0))


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
