"""Broadcasting: a cell with sparse recurrent weights over a sequence, rows in vectors.

A part of the batch is some vectors of rows. Its states lie unit by unit, the rows of a unit beside
each other (*lanes*), so that one weight multiplies all of them at once. The weights of all units
are taken block by block of columns: the states of a block stay in a core's first cache. The states
that are given back lie row by row; they are turned around in registers, as many units at once as a
vector holds.
"""

from collections.abc import Callable, Sequence

from llvmlite import ir

from engram.engine.cpu.codegen.code import POINTER
from engram.engine.cpu.codegen.maths import Format
from engram.engine.cpu.codegen.nodes import emit_step
from engram.engine.cpu.codegen.target import Target
from engram.engine.cpu.kernels.frame import Frame
from engram.engine.graph import Graph


def ways(vectors: int) -> int:
    """How many weights of a unit go into sums of their own; they are padded to a multiple of it."""
    return 2 if vectors == 1 else 1


def broadcasting_arguments(weights: Sequence[str]) -> list[str]:
    """The arguments of the kernel after the common ones.

    H' is H, and I' the number of inputs, rounded up to a vector and to `ways`. A part has L lanes;
    those that are too many have the last row of their part.

    ``states``: ``(T, B, H)``, written. ``lanes``: ``(parts, 2, H', L)``, the states of two steps;
    the first holds the initial ones. ``input``: ``(T, parts, I', L)``. ``parts_of_rows``: how many
    parts; of each, ``steps``: how many, ``used``: its vectors that hold a row of their own, and
    ``row_of_lane``: ``(L,)``. ``input_weights``: ``(H', I')``; ``input_bias`` and ``weight.<w>``:
    ``(H',)``. ``starts``: ``(column_blocks, H')`` and one more, where the recurrent weights of each
    unit from each block of columns begin in ``values`` and ``columns``.
    """
    return [
        "states",
        "lanes",
        "input",
        "inputs",
        "parts_of_rows",
        "steps",
        "used",
        "row_of_lane",
        "input_weights",
        "input_bias",
        "column_blocks",
        "starts",
        "values",
        "columns",
        *(f"weight.{name}" for name in weights),
    ]


def emit_broadcasting(
    module: ir.Module,
    graph: Graph,
    weights: Sequence[str],
    format: Format,
    target: Target,
    index_bits: int,
    vectors: int,
) -> None:
    """Write the kernel ``broadcasting``.

    Args:
        module: Where it goes.
        graph: A step of a cell with one gate and one state.
        weights: Names of the cell's per-unit weights.
        format: Of the numbers.
        target: For which machine.
        index_bits: Of the number of a unit in ``columns``, 16 or 32.
        vectors: Of rows that a part holds.
    """
    frame = Frame(module, "broadcasting", broadcasting_arguments(weights), format, target, False)
    _Broadcasting(frame, graph, index_bits, vectors).emit()
    frame.finish()


class _Broadcasting:
    """The kernel while it is being written."""

    def __init__(self, frame: Frame, graph: Graph, index_bits: int, vectors: int) -> None:
        self.frame, self.graph, self.index_bits = frame, graph, index_bits
        self.code, self.words = frame.code, frame.words
        self.vectors, self.rows = vectors, vectors * frame.code.width
        self.ways = ways(vectors)
        self.lines = self.code.room(ir.ArrayType(POINTER, self.rows))
        self.blocks = self.code.vectors(self.words["hidden"])
        self.padded = self.code.product(self.blocks, self.code.width)

    def emit(self) -> None:
        frame, code, b = self.frame, self.code, self.frame.builder
        # by rows, this is one part of them; threads that split the units run them all
        by_rows = b.icmp_signed(">", self.words["parts"], code.number(0))
        first = b.select(by_rows, frame.threads.part, code.number(0))
        last = b.select(by_rows, code.sum(frame.threads.part, 1), self.words["parts_of_rows"])
        done = code.number(0)
        with frame.without_subnormals(), code.loop(first, last, 1, [done]) as part:
            steps = code.word_at(frame.address("steps"), part.index)
            size = code.product(self.padded, self.rows)
            lanes = code.pointer_at(frame.address("lanes"), code.product(part.index, size, 2))
            with code.loop(0, steps) as step:
                odd = b.and_(step.index, code.number(1))
                self.before = code.pointer_at(lanes, code.product(size, odd))
                self.after = code.pointer_at(lanes, code.product(size, b.xor(odd, code.number(1))))
                self._emit_step(part.index, step.index)
                frame.threads.wait_for_all(code.sum(part.values[0], step.index))
            part.next = [code.sum(part.values[0], steps)]

    def _emit_step(self, part: ir.Value, step: ir.Value) -> None:
        """One step of a part: this thread's units."""
        frame, code, words = self.frame, self.code, self.words
        first, last = frame.threads.share(self.blocks)
        units = code.product(first, code.width), code.product(last, code.width)
        blocks = words["column_blocks"]
        with code.loop(0, blocks) as loop:
            # every other step goes from the last block to the first: where not all weights stay in
            # a core's cache, those that were read last are still there
            mirrored = code.sum(blocks, -1, frame.builder.neg(loop.index))
            odd = frame.builder.trunc(step, ir.IntType(1))
            columns = frame.builder.select(odd, mirrored, loop.index)
            begins = frame.builder.icmp_signed("==", loop.index, code.number(0))
            with code.loop(*units) as unit:
                self._add_sums(columns, unit.index, begins)
        line = code.sum(code.product(step, words["parts_of_rows"]), part)
        place = code.product(line, words["inputs"], self.rows)
        input = code.pointer_at(frame.address("input"), place)
        used = code.word_at(frame.address("used"), part)
        self._find_lines(part, code.product(step, words["rows"]))
        with code.loop(first, last) as block:
            start = code.product(block.index, code.width)
            with code.loop(start, code.sum(start, code.width)) as unit:
                self._emit_unit(unit.index, input)
            # beyond them are lanes without a row of their own
            with code.loop(0, used) as vector:
                self._give_back(block.index, vector.index)

    def _add_sums(self, columns: ir.Value, unit: ir.Value, begins: ir.Value) -> None:
        """Add what a block of columns brings to a unit; sums stand where its state will."""
        code, frame, b = self.code, self.frame, self.frame.builder
        place = code.sum(code.product(columns, self.padded), unit)
        first, last = (
            code.word_at(frame.address("starts"), each) for each in (place, code.sum(place, 1))
        )
        parts = self._vectors_at(self.after, unit)
        zero = code.maths.number(0.0)
        begun = [b.select(begins, zero, code.load(part)) for part in parts]

        def product(place: ir.Value) -> tuple[ir.Value, ir.Value]:
            weight = code.pointer_at(frame.address("values"), place)
            column = code.integer(frame.address("columns"), place, self.index_bits)
            return weight, code.pointer_at(self.before, code.product(column, self.rows))

        for part, total in zip(parts, self._sums(first, last, begun, product), strict=True):
            code.store(total, part)

    def _emit_unit(self, unit: ir.Value, input: ir.Value) -> None:
        """The state of a unit after the step, over its sums, for all rows."""
        code, frame = self.code, self.frame
        bias = code.spread(code.pointer_at(frame.address("input_bias"), unit))
        first = code.product(unit, self.words["inputs"])
        into = code.pointer_at(frame.address("input_weights"), first)

        def product(place: ir.Value) -> tuple[ir.Value, ir.Value]:
            line = code.pointer_at(input, code.product(place, self.rows))
            return code.pointer_at(into, place), line

        begun = [bias] * self.vectors
        brought = self._sums(code.number(0), self.words["inputs"], begun, product)
        before, after = self._vectors_at(self.before, unit), self._vectors_at(self.after, unit)
        for vector in range(self.vectors):

            def given(kind: str, name: str, vector: int = vector) -> ir.Value:
                if kind == "w":
                    line = frame.address(f"weight.{name}")
                    return code.spread(code.pointer_at(line, unit))
                if kind == "x":
                    return brought[vector]
                return code.load((before if kind == "s" else after)[vector])

            (value,) = emit_step(code.maths, self.graph, given).values()
            code.store(value, after[vector])

    def _sums(
        self,
        first: ir.Value,
        last: ir.Value,
        begun: list[ir.Value],
        product: Callable[[ir.Value], tuple[ir.Value, ir.Value]],
    ) -> list[ir.Value]:
        """Sums of products of one number with the rows of a line, for each vector of rows.

        Args:
            first, last: Places of the products, a multiple of `ways`.
            begun: What is there already.
            product: Where the number and the line of a place are.
        """
        code = self.code
        zeros = [code.maths.number(0.0)] * ((self.ways - 1) * self.vectors)
        with code.loop(first, last, self.ways, begun + zeros) as loop:
            sums = list(loop.values)
            for way in range(self.ways):
                number, line = product(code.sum(loop.index, way))
                weight = code.spread(number)
                own = way * self.vectors
                for vector in range(self.vectors):
                    state = code.load(code.pointer_at(line, vector * code.width))
                    sums[own + vector] = code.maths.fma(weight, state, sums[own + vector])
            loop.next = sums
        totals = []
        for vector in range(self.vectors):
            total, *others = loop.values[vector :: self.vectors]
            for other in others:
                total = self.frame.builder.fadd(total, other)
            totals.append(total)
        return totals

    def _find_lines(self, part: ir.Value, first_row: ir.Value) -> None:
        """Note where the states of a step are written, for each row of the part."""
        code, frame = self.code, self.frame
        with code.loop(0, self.rows) as lane:
            place = code.sum(code.product(part, self.rows), lane.index)
            row = code.word_at(frame.address("row_of_lane"), place)
            line = code.product(code.sum(first_row, row), self.words["hidden"])
            frame.builder.store(
                code.pointer_at(frame.address("states"), line), self._line_of(lane.index)
            )

    def _line_of(self, lane: ir.Value) -> ir.Value:
        return self.frame.builder.gep(self.lines, [lane], source_etype=POINTER)

    def _give_back(self, block: ir.Value, vector: ir.Value) -> None:
        """Write the states of a block of units where those of each row lie."""
        code, frame = self.code, self.frame
        unit, mask = code.units_from(block, self.words["hidden"])
        lane = code.product(vector, code.width)
        lines = [
            code.pointer_at(self.after, code.product(code.sum(unit, inside), self.rows), lane)
            for inside in range(code.width)
        ]
        for inside, value in enumerate(code.transposed([code.load(line) for line in lines])):
            line = frame.builder.load(self._line_of(code.sum(lane, inside)), typ=POINTER)
            code.store(value, code.pointer_at(line, unit), mask)

    def _vectors_at(self, lanes: ir.Value, unit: ir.Value) -> list[ir.Value]:
        """Where each vector of a unit's rows is."""
        code = self.code
        line = code.product(unit, self.rows)
        return [
            code.pointer_at(lanes, code.sum(line, vector * code.width))
            for vector in range(self.vectors)
        ]
