"""Matrix panels: a kernel that packs weights in the order in which a matrix unit reads them.

Like `panels`, but a panel holds, for every 32 numbers of k, a tile of each part of each of its
vectors of units; see `matrix`. Each matrix begins at a tile of its own.
"""

from dataclasses import dataclass

from llvmlite import ir

from engram.engine.cpu.frame import Frame
from engram.engine.cpu.maths import Format
from engram.engine.cpu.matrix import AT_ONCE, DEPTH, PARTS, TILE
from engram.engine.cpu.panels import ARGUMENTS, SECTION
from engram.engine.cpu.target import Target


@dataclass(frozen=True)
class MatrixPanelsKind:
    """There is one such kernel."""


def emit_matrix_panels(module: ir.Module, format: Format, target: Target) -> None:
    """Write the kernel ``matrix_panels``, whose arguments are those of ``panels``.

    Args:
        module: Where it goes.
        format: Of the numbers.
        target: For which machine.
    """
    frame = Frame(module, "matrix_panels", ARGUMENTS, format, target, False)
    _MatrixPanels(frame).emit()
    frame.finish()


class _MatrixPanels:
    """The kernel while it is being written."""

    def __init__(self, frame: Frame) -> None:
        self.frame, self.code, self.words = frame, frame.code, frame.words
        numbers = ir.ArrayType(self.code.format.scalar, DEPTH * self.code.width)
        self.scratch = frame.room(numbers)

    def emit(self) -> None:
        frame, code, b, words = self.frame, self.code, self.frame.builder, self.words
        group_size = code.product(words["units"], code.width)
        groups = b.sdiv(code.sum(words["hidden"], group_size, -1), group_size)
        outputs = code.product(words["blocks"], words["units"])
        panel_size = code.product(words["length"], AT_ONCE * PARTS * TILE)
        with code.loop(*frame.share(groups)) as group, code.loop(0, outputs) as output:
            vector = code.sum(code.product(group.index, outputs), output.index)
            panel = code.product(b.sdiv(vector, code.number(AT_ONCE)), panel_size)
            inside = code.product(b.srem(vector, code.number(AT_ONCE)), PARTS * TILE)
            target = frame.matrix.at(frame.address("panels"), panel, inside)
            unit = code.sum(
                code.product(group.index, words["units"]), b.sdiv(output.index, words["blocks"])
            )
            unit = code.product(unit, code.width)
            block = code.product(b.srem(output.index, words["blocks"]), words["hidden"])
            with code.loop(0, words["section_count"]) as section:
                self._emit_section(section.index, block, unit, target)

    def _emit_section(
        self, section: ir.Value, block: ir.Value, unit: ir.Value, target: ir.Value
    ) -> None:
        """One vector of units at every k of a matrix."""
        frame, code, b = self.frame, self.code, self.frame.builder
        table = code.product(section, len(SECTION))
        here, size, apart, turned, first = (
            code.word_at(frame.address("sections"), code.sum(table, place))
            for place in range(len(SECTION))
        )
        start = b.inttoptr(here, target.type)
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
            lines = []
            for lane in range(code.width):
                exists = b.icmp_signed("<", code.number(lane), rest)
                mask = code.mask(b.select(exists, own, code.number(0)))
                line = code.pointer_at(start, code.product(apart, lane), k.index)
                lines.append(code.load(line, mask))
            for place, vector in enumerate(code.transposed(lines)):
                code.store(vector, self._aside(code.sum(k.index, place)))

    def _write(self, target: ir.Value) -> None:
        """Write the parts of what was put aside."""
        code = self.code
        with code.loop(0, code.width) as line:
            first = code.load(self._aside(line.index))
            second = code.load(self._aside(code.sum(line.index, code.width)))
            address = self.frame.matrix.at(target, code.product(line.index, 64))
            self.frame.matrix.store_split(address, first, second)

    def _aside(self, k: ir.Value) -> ir.Value:
        return self.code.pointer_at(self.scratch, self.code.product(k, self.code.width))
