"""Panels: a kernel that packs weights in the order in which tiles read them; see `tile`.

Weights change at every update, so each pass packs them again. Numbers of a panel's vectors belong
to units side by side, whose weights lie apart where a matrix has its k in a row: there, as many
lines as a vector has places are turned around in registers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from engram.engine.cpu.codegen.code import POINTER
from engram.engine.cpu.codegen.maths import Format
from engram.engine.cpu.codegen.target import Target
from engram.engine.cpu.kernels.frame import Frame
from engram.engine.cpu.kernels.matrix_panels import MatrixPanels

ARGUMENTS = (
    "blocks",  # of the tile, as are the next two
    "units",
    "vectors",
    "sections",  # table of the matrices, `SECTION` words each
    "section_count",
    "length",  # k of all together
    "panels",  # (groups·panels, length, vectors·width), written
)
# words of a section, a matrix (blocks·H, size)
SECTION = (
    "here",
    "size",
    "apart",  # from one line to the next: of an output, or, if turned, of a k
    "turned",  # whether the outputs of a k lie side by side, and not the k of an output
    "first",  # k at which it begins
)


@dataclass(frozen=True)
class PanelsKind:
    """Which of these kernels it is.

    Attributes:
        matrix: Whether it packs for a matrix unit.
    """

    matrix: bool


def emit_panels(module: ir.Module, format: Format, target: Target, kind: PanelsKind) -> None:
    """Write the kernel ``panels``.

    Args:
        module: Where it goes.
        format: Of the numbers.
        target: For which machine.
        kind: What it does.
    """
    frame = Frame(module, "panels", ARGUMENTS, format, target, False)
    _Panels(frame, kind.matrix).emit()
    frame.finish()


class _Panels:
    """The kernel while it is being written."""

    def __init__(self, frame: Frame, matrix: bool) -> None:
        self.frame, self.code, self.words = frame, frame.code, frame.words
        self.matrix = MatrixPanels(frame) if matrix else None
        numbers = ir.ArrayType(self.code.format.scalar, self.code.width**2)
        self.scratch = frame.code.room(numbers)

    def emit(self) -> None:
        frame, code, b, words = self.frame, self.code, self.frame.builder, self.words
        group_size = code.product(words["units"], code.width)
        groups = b.sdiv(code.sum(words["hidden"], group_size, -1), group_size)
        outputs = code.product(words["blocks"], words["units"])
        with code.loop(*frame.threads.share(groups)) as group, code.loop(0, outputs) as output:
            vector = code.sum(code.product(group.index, outputs), output.index)
            target = self._target(vector) if self.matrix is None else self.matrix.target(vector)
            unit = code.sum(
                code.product(group.index, words["units"]), b.sdiv(output.index, words["blocks"])
            )
            unit = code.product(unit, code.width)
            block = code.product(b.srem(output.index, words["blocks"]), words["hidden"])
            with code.loop(0, words["section_count"]) as section:
                here, *others = frame.arguments.line("sections", section.index, len(SECTION))
                found = b.inttoptr(here, POINTER), *others
                emit = self._emit_section if self.matrix is None else self.matrix.emit_section
                emit(found, block, unit, target)

    def _target(self, vector: ir.Value) -> ir.Value:
        """Where a vector of units begins, counted over all groups."""
        code, b, words = self.code, self.frame.builder, self.words
        panel = b.sdiv(vector, words["vectors"])
        line = code.product(panel, words["length"], words["vectors"])
        line = code.sum(line, b.srem(vector, words["vectors"]))
        return code.pointer_at(self.frame.address("panels"), code.product(line, code.width))

    def _emit_section(
        self,
        section: tuple[ir.Value, ...],
        block: ir.Value,
        unit: ir.Value,
        target: ir.Value,
    ) -> None:
        """One vector of units at every k of a matrix."""
        code, b = self.code, self.frame.builder
        start, size, apart, turned, first = section
        self.stride = code.product(self.words["vectors"], code.width)
        target = code.pointer_at(target, code.product(first, self.stride))
        rest = code.sum(self.words["hidden"], b.neg(unit))
        with b.if_else(b.icmp_signed("!=", turned, code.number(0))) as (as_it_is, across):
            with as_it_is:
                mask = code.mask(rest)
                with code.loop(0, size) as k:
                    place = code.sum(code.product(k.index, apart), block, unit)
                    value = code.load(code.pointer_at(start, place), mask)
                    code.store(value, code.pointer_at(target, code.product(k.index, self.stride)))
            with across:
                first_line = code.product(code.sum(block, unit), apart)
                lines = [
                    code.pointer_at(start, first_line, code.product(apart, lane))
                    for lane in range(code.width)
                ]
                with code.loop(0, size, code.width) as k:
                    left = code.sum(size, b.neg(k.index))
                    self._emit_square(lines, k.index, left, rest, target)

    def _emit_square(
        self,
        lines: Sequence[ir.Value],
        k: ir.Value,
        left: ir.Value,
        rest: ir.Value,
        target: ir.Value,
    ) -> None:
        """Turn a vector's width of k around, for as many units; fewer where fewer are left."""
        code = self.code
        here = [code.pointer_at(line, k) for line in lines]
        for place, vector in enumerate(code.turned(here, rest, left)):
            code.store(vector, code.pointer_at(self.scratch, place * code.width))
        with code.loop(0, code.smaller(left, code.number(code.width))) as own:
            value = code.load(code.pointer_at(self.scratch, code.product(own.index, code.width)))
            place = code.product(code.sum(k, own.index), self.stride)
            code.store(value, code.pointer_at(target, place))
