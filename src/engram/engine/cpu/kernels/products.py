"""Products: a kernel for the gradients of weight matrices, sums over rows of one row by another.

``sums[j, n] += Σ a[k, j]·z[k, n]``, and Σ a[k, j] for a bias, over packed rows k: a holds the
gradients of gates, z what the weights were multiplied with, the input and the states before each
step. Both lie row by row, which is the order that the sum runs in, but a tile would touch a new
page for each of its rows. So some rows are copied together first, vector by vector and no further
apart than a core's caches hold, and then every tile reads them in order. Threads split the gates,
or where the sums are small the rows, which are then in each core's own cache.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from llvmlite import ir

from engram.engine.cpu.codegen.code import INDEX
from engram.engine.cpu.codegen.maths import Format
from engram.engine.cpu.codegen.target import Target
from engram.engine.cpu.kernels.frame import Frame
from engram.engine.cpu.kernels.matrix_products import emit_matrix_products
from engram.engine.cpu.kernels.steps import Step

ARGUMENTS = (
    "a",  # (N, blocks·H)
    "blocks",
    "sections",  # table of the parts of z, `SECTION` words each
    "section_count",
    "columns",  # vectors of all sections together, padded to whole tiles
    "room",  # rows that are copied together
    "copied_a",  # (blocks·vectors of H, room, width); by rows for each thread, as the sums are
    "copied_z",  # (threads, columns, room, width)
    "split_a",  # room for both in parts, on a matrix unit
    "split_z",
    "sums",  # (blocks·vectors of H·width, row·width)
    "row",  # vectors from one line of the sums to the next
    "bias_sums",  # of a itself, (blocks·vectors of H·width,)
    "bias",  # where these go, (blocks·H,)
    "by_rows",  # whether threads split the rows, each with sums of its own, and not the gates
    "begins",  # whether this is the first call, which finds nothing in the sums
    "ends",  # and whether it is the last, after which the sums go where each section wants them
)
# words of a section
SECTION = (
    "here",  # its rows, (N, size)
    "initial",  # those of the first steps, (B, size), for a state; else 0
    "size",
    "first",  # vector of z at which it begins
    "result",  # where its sums go, lines of `size` numbers, (blocks·H, ·)
    "apart",  # from one of these lines to the next
)
VECTORS = 2  # of z in a tile; three are as fast, but more of them stay idle
_WAYS = 4  # sums of a that are under way at once
# Rows of one step that are copied without asking again whether there is room.
_ROWS = 16


@dataclass(frozen=True)
class ProductsKind:
    """Which of these kernels it is.

    Attributes:
        resets: Whether rows may be marked to lose their state.
        matrix: Whether the products run on a matrix unit.
    """

    resets: bool
    matrix: bool = False


def emit_products(module: ir.Module, format: Format, target: Target, kind: ProductsKind) -> None:
    """Write the kernel ``products``.

    Args:
        module: Where it goes.
        format: Of the numbers.
        target: For which machine.
        kind: What it does.
    """
    frame = Frame(module, "products", ARGUMENTS, format, target, kind.resets)
    _Products(frame, kind.matrix).emit()
    frame.finish()


class _Products:
    """The kernel while it is being written."""

    def __init__(self, frame: Frame, matrix: bool) -> None:
        self.frame, self.code, self.words = frame, frame.code, frame.words
        self.matrix = matrix
        # a tile's sums take half of the registers
        self.rows = min(frame.target.registers // 4, self.code.width)
        self.vectors = self.code.vectors(self.words["hidden"])
        self.lines = self.code.product(self.words["blocks"], self.vectors)
        # by rows, each thread has all lines for itself
        by_rows = frame.builder.icmp_signed("!=", self.words["by_rows"], self.code.number(0))
        own, nothing = self.code.product(frame.threads.part, self.lines), self.code.number(0)
        self.first_line = frame.builder.select(by_rows, own, nothing)
        self.by_rows, shared = by_rows, frame.threads.share(self.lines)
        self.share = (
            frame.builder.select(by_rows, nothing, shared[0]),
            frame.builder.select(by_rows, self.lines, shared[1]),
        )

    def emit(self) -> None:
        frame, code, b, words = self.frame, self.code, self.frame.builder, self.words
        copied, self.begins = b.alloca(INDEX), b.alloca(INDEX)
        b.store(code.number(0), copied)
        b.store(words["begins"], self.begins)
        with (
            frame.without_subnormals(),
            frame.matrix_unit(self.matrix),
            code.loop(words["first"], words["last"]) as loop,
        ):
            step = frame.steps.at(loop.index)
            low, high = self._rows(step)
            with code.loop(low, high, _ROWS) as some:
                reach = code.sum(b.load(copied, typ=INDEX), _ROWS)
                with b.if_then(b.icmp_signed(">", reach, words["room"])):
                    self._multiply(b.load(copied, typ=INDEX))
                    b.store(code.number(0), copied)
                stop = code.smaller(code.sum(some.index, _ROWS), high)
                with code.loop(some.index, stop) as row:
                    place = b.load(copied, typ=INDEX)
                    self._copy_gradients(code.sum(step.now, row.index), place)
                    self._copy_factors(step, row.index, place)
                    b.store(code.sum(place, 1), copied)
            last = b.icmp_signed("==", code.sum(loop.index, 1), words["last"])
            with b.if_then(last):
                self._multiply(b.load(copied, typ=INDEX))
        with b.if_then(b.icmp_signed("!=", words["ends"], code.number(0))):
            self._hand_over()

    def _rows(self, step: Step) -> tuple[ir.Value, ir.Value]:
        """This thread's rows of a step: some, or all where it has some of the lines."""
        b, (low, high) = self.frame.builder, self.frame.threads.share_rows(step)
        return (
            b.select(self.by_rows, low, self.frame.threads.low),
            b.select(self.by_rows, high, step.high),
        )

    def _copy_gradients(self, packed: ir.Value, place: ir.Value) -> None:
        """Copy this thread's part of a row of a."""
        frame, code, words = self.frame, self.code, self.words
        hidden, room = words["hidden"], words["room"]
        line = code.product(packed, words["blocks"], hidden)
        with code.loop(0, words["blocks"]) as block:
            begun = code.product(block.index, self.vectors)
            low, high = (
                code.smaller(code.sum(edge, frame.builder.neg(begun)), self.vectors)
                for edge in self.share
            )
            low = frame.builder.neg(code.smaller(frame.builder.neg(low), code.number(0)))
            with code.loop(low, high) as vector:
                unit, mask = code.units_from(vector.index, hidden)
                start = code.sum(line, code.product(block.index, hidden), unit)
                value = code.load(code.pointer_at(frame.address("a"), start), mask)
                copy = code.sum(self.first_line, begun, vector.index)
                to = code.sum(code.product(copy, room), place)
                to = code.product(to, code.width)
                code.store(value, code.pointer_at(frame.address("copied_a"), to))

    def _copy_factors(self, step: Step, row: ir.Value, place: ir.Value) -> None:
        """Copy a row of z: the sections one behind the other."""
        frame, code, b, words = self.frame, self.code, self.frame.builder, self.words
        kept = b.icmp_signed("<", row, step.count_before)
        keeps = frame.steps.keeps(step, row)
        own = code.product(frame.threads.part, words["columns"])
        with code.loop(0, words["section_count"]) as section:
            here, initial, size, first, *_ = self._section(section.index)
            is_state = b.icmp_signed("!=", initial, code.number(0))
            begun = b.and_(is_state, b.not_(kept))
            base = b.inttoptr(b.select(begun, initial, here), frame.address("a").type)
            before = b.select(kept, code.sum(step.before, row), row)
            line = b.select(is_state, before, code.sum(step.now, row))
            start = code.pointer_at(base, code.product(line, size))
            with code.loop(0, code.vectors(size)) as vector:
                unit, mask = code.units_from(vector.index, size)
                value = code.load(code.pointer_at(start, unit), mask)
                if keeps is not None:
                    stays = b.or_(keeps, b.not_(is_state))
                    value = frame.steps.masked_by_reset(value, stays)
                column = code.sum(own, first, vector.index)
                to = code.product(code.sum(code.product(column, words["room"]), place), code.width)
                code.store(value, code.pointer_at(frame.address("copied_z"), to))

    def _multiply(self, count: ir.Value) -> None:
        """Add the products of the rows that were copied."""
        code, b, words = self.code, self.frame.builder, self.words
        begins = b.icmp_signed("!=", b.load(self.begins, typ=INDEX), code.number(0))
        b.store(code.number(0), self.begins)
        with code.loop(*self.share) as block:
            self._sum_up(block.index, count, begins)
            if not self.matrix:
                with code.loop(0, words["columns"], VECTORS) as group:
                    self._multiply_tile(block.index, group.index, count, begins)
        if self.matrix:
            emit_matrix_products(self.frame, self.first_line, self.share, count, begins)

    def _sum_up(self, block: ir.Value, count: ir.Value, begins: ir.Value) -> None:
        """Add a vector of a over all rows that were copied."""
        code, b = self.code, self.frame.builder
        start = code.product(code.sum(self.first_line, block), self.words["room"])

        def value(row: ir.Value, way: int = 0) -> ir.Value:
            place = code.product(code.sum(start, row, way), code.width)
            return code.load(code.pointer_at(self.frame.address("copied_a"), place))

        target = self._bias_sum(code.sum(self.first_line, block))
        so_far = b.select(begins, code.maths.number(0.0), code.load(target))
        nothing = [code.maths.number(0.0)] * (_WAYS - 1)
        whole = b.and_(count, code.number(-_WAYS))
        with code.loop(0, whole, _WAYS, [so_far, *nothing]) as loop:
            loop.next = [b.fadd(each, value(loop.index, w)) for w, each in enumerate(loop.values)]
        with code.loop(whole, count, 1, [reduce(b.fadd, loop.values)]) as rest:
            rest.next = [b.fadd(rest.values[0], value(rest.index))]
        code.store(rest.values[0], target)

    def _bias_sum(self, block: ir.Value) -> ir.Value:
        """Where the sum of a vector of a is."""
        place = self.code.product(block, self.code.width)
        return self.code.pointer_at(self.frame.address("bias_sums"), place)

    def _multiply_tile(
        self, block: ir.Value, column: ir.Value, count: ir.Value, begins: ir.Value
    ) -> None:
        """The products of a vector of a with some vectors of z, over all rows that were copied."""
        frame, code, b, words = self.frame, self.code, self.frame.builder, self.words
        own = code.product(frame.threads.part, words["columns"])
        with code.loop(0, code.width, self.rows) as part:
            line = code.product(code.sum(self.first_line, block), code.width)
            line = code.sum(line, part.index)
            targets = [
                code.pointer_at(
                    frame.address("sums"),
                    code.product(
                        code.sum(code.product(code.sum(line, row), words["row"]), column, vector),
                        code.width,
                    ),
                )
                for row in range(self.rows)
                for vector in range(VECTORS)
            ]
            factors = [
                code.pointer_at(
                    frame.address("copied_z"),
                    code.product(code.sum(own, column, vector), words["room"], code.width),
                )
                for vector in range(VECTORS)
            ]
            numbers = code.pointer_at(
                frame.address("copied_a"),
                code.sum(
                    code.product(code.sum(self.first_line, block), words["room"], code.width),
                    part.index,
                ),
            )
            for target in targets:
                code.prefetch(code.pointer_at(target, VECTORS * code.width))
            nothing = code.maths.number(0.0)
            so_far = [b.select(begins, nothing, code.load(target)) for target in targets]
            with code.loop(0, count, 1, so_far) as loop:
                place = code.product(loop.index, code.width)
                loaded = [code.load(code.pointer_at(factor, place)) for factor in factors]
                for row in range(self.rows):
                    number = code.spread(code.pointer_at(numbers, place, row))
                    for each, vector in enumerate(loaded):
                        total = loop.values[row * VECTORS + each]
                        loop.next.append(code.maths.fma(number, vector, total))
            for target, total in zip(targets, loop.values, strict=True):
                code.store(total, target)

    def _hand_over(self) -> None:
        """Copy sums to where the sections want them, of all threads, without what is padded."""
        frame, code, b, words = self.frame, self.code, self.frame.builder, self.words
        with b.if_then(self.by_rows):
            frame.threads.wait_for_all(code.number(0))
        with code.loop(*frame.threads.share(self.lines)) as line:
            block = b.sdiv(line.index, self.vectors)
            first, mask = code.units_from(b.srem(line.index, self.vectors), words["hidden"])
            place = code.product(block, words["hidden"])
            value = self._total(lambda shift: self._bias_sum(code.sum(line.index, shift)))
            target = code.pointer_at(frame.address("bias"), place, first)
            code.store(value, target, mask)
            rest = code.smaller(code.sum(words["hidden"], b.neg(first)), code.number(code.width))
            with code.loop(0, rest) as lane:
                output = code.sum(place, first, lane.index)
                with code.loop(0, words["section_count"]) as section:
                    self._hand_over_section(section.index, line.index, lane.index, output)

    def _hand_over_section(
        self, section: ir.Value, line: ir.Value, lane: ir.Value, output: ir.Value
    ) -> None:
        """A section's sums for one output."""
        frame, code = self.frame, self.code
        _, _, size, first, result, apart = self._section(section)
        base = frame.builder.inttoptr(result, frame.address("a").type)
        target = code.pointer_at(base, code.product(output, apart))
        with code.loop(0, code.vectors(size)) as vector:
            column, mask = code.units_from(vector.index, size)

            def place(shift: ir.Value) -> ir.Value:
                own = code.sum(code.product(code.sum(line, shift), code.width), lane)
                own = code.sum(code.product(own, self.words["row"]), first, vector.index)
                return code.pointer_at(frame.address("sums"), code.product(own, code.width))

            code.store(self._total(place), code.pointer_at(target, column), mask)

    def _total(self, place: Callable[[ir.Value], ir.Value]) -> ir.Value:
        """The sum of all threads' vectors; each thread's lines stand behind the others'."""
        code, b = self.code, self.frame.builder
        threads = b.select(self.by_rows, self.frame.threads.count, code.number(1))
        with code.loop(0, threads, 1, [code.maths.number(0.0)]) as loop:
            value = code.load(place(code.product(loop.index, self.lines)))
            loop.next = [b.fadd(loop.values[0], value)]
        return loop.values[0]

    def _section(self, number: ir.Value) -> list[ir.Value]:
        """The words of a section."""
        return self.frame.arguments.line("sections", number, len(SECTION))
