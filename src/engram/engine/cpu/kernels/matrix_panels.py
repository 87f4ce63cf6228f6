"""Matrix panels: packing one vector of units of a matrix in the order in which a matrix unit reads.

A panel holds, for every 32 numbers of k, a tile of each part of each of its vectors of units; see
`matrix`. Each matrix begins at a tile of its own.
"""

from llvmlite import ir

from engram.engine.cpu.codegen.matrix import AT_ONCE, DEPTH, LINE, PARTS, TILE
from engram.engine.cpu.kernels.frame import Frame


class MatrixPanels:
    """Writes what the kernel ``panels`` does where tiles are those of a matrix unit.

    Args:
        frame: Of the kernel.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame, self.code, self.words = frame, frame.code, frame.words
        numbers = ir.ArrayType(self.code.format.scalar, DEPTH * self.code.width)
        self.scratch = frame.code.room(numbers)

    def target(self, vector: ir.Value) -> ir.Value:
        """Where a vector of units begins, counted over all groups."""
        code, b = self.code, self.frame.builder
        panel_size = code.product(self.words["length"], AT_ONCE * PARTS * TILE)
        panel = code.product(b.sdiv(vector, code.number(AT_ONCE)), panel_size)
        inside = code.product(b.srem(vector, code.number(AT_ONCE)), PARTS * TILE)
        return self.frame.matrix.at(self.frame.address("panels"), panel, inside)

    def emit_section(
        self,
        section: tuple[ir.Value, ...],
        block: ir.Value,
        unit: ir.Value,
        target: ir.Value,
    ) -> None:
        """One vector of units at every k of a matrix.

        Args:
            section: Its words; where it lies as a pointer.
            block: Output at which the vector's block begins.
            unit: The vector's first.
            target: As `target` gives it.
        """
        frame, code, b = self.frame, self.code, self.frame.builder
        start, size, apart, turned, first = section
        rest = code.sum(self.words["hidden"], b.neg(unit))
        side_by_side = b.icmp_signed("!=", turned, code.number(0))
        with code.loop(0, frame.matrix.depth(size)) as tile:
            k = code.product(tile.index, DEPTH)
            left = code.sum(size, b.neg(k))
            with b.if_else(side_by_side) as (as_it_is, across):
                with as_it_is:
                    place = code.sum(code.product(k, apart), block, unit)
                    self._copy(code.pointer_at(start, place), apart, left, rest)
                with across:
                    place = code.sum(code.product(code.sum(block, unit), apart), k)
                    self._turn(code.pointer_at(start, place), apart, left, rest)
            place = code.product(code.sum(first, tile.index), AT_ONCE * PARTS * TILE)
            self._write(frame.matrix.at(target, place))

    def _copy(self, start: ir.Value, apart: ir.Value, left: ir.Value, rest: ir.Value) -> None:
        """Put the numbers of 32 k aside, where those of a k lie side by side."""
        code = self.code
        mask = code.mask(rest)
        with code.loop(0, DEPTH) as k:
            exists = self.frame.builder.icmp_signed("<", k.index, left)
            with self.frame.builder.if_else(exists) as (there, past):
                with there:
                    line = code.pointer_at(start, code.product(k.index, apart))
                    code.store(code.load(line, mask), self._aside(k.index))
                with past:
                    code.store(code.maths.number(0.0), self._aside(k.index))

    def _turn(self, start: ir.Value, apart: ir.Value, left: ir.Value, rest: ir.Value) -> None:
        """Put the numbers of 32 k aside, where those of a unit lie side by side."""
        code, b = self.code, self.frame.builder
        with code.loop(0, DEPTH, code.width) as k:
            own = code.sum(left, b.neg(k.index))
            lines = [
                code.pointer_at(start, code.product(apart, lane), k.index)
                for lane in range(code.width)
            ]
            for place, vector in enumerate(code.turned(lines, rest, own)):
                code.store(vector, self._aside(code.sum(k.index, place)))

    def _write(self, target: ir.Value) -> None:
        """Write the parts of what was put aside."""
        code = self.code
        with code.loop(0, code.width) as line:
            first = code.load(self._aside(line.index))
            second = code.load(self._aside(code.sum(line.index, code.width)))
            address = self.frame.matrix.at(target, code.product(line.index, LINE))
            self.frame.matrix.store_split(address, first, second)

    def _aside(self, k: ir.Value) -> ir.Value:
        return self.code.pointer_at(self.scratch, self.code.product(k, self.code.width))
