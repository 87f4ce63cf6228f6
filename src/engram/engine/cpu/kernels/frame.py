"""Frame: what the kernels of both directions share: arguments, threads, the loop over row blocks.

A kernel runs a whole sequence. Its sizes are arguments, so that one kernel serves every shape. Rows
of a batch stand in the order of falling length, so that the rows of a step are the first ones; each
step's rows follow one another in every buffer (*packed rows*), with nothing in between.

Work is split over threads in one of two ways. By rows: each part of the batch runs by itself from
the first step to the last. By units: all rows, each thread its groups of units; threads wait for
each other once a step, or twice where a cell looks at all units of a row: then products are split
by units, and all else by rows.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from llvmlite import ir

from engram.engine.cpu.codegen.code import INDEX, POINTER, Code
from engram.engine.cpu.codegen.maths import Format
from engram.engine.cpu.codegen.matrix import AT_ONCE, DEPTH, LINE, PALETTE, PARTS, TILE, Matrix
from engram.engine.cpu.codegen.target import Target
from engram.engine.cpu.codegen.tile import Factor, Tile, emit_plain_sums, emit_product

# words of a kernel's table of arguments that every kernel has
COMMON = (
    "first",  # step in running order that the call begins with
    "last",  # and the one that it ends before
    "hidden",  # H
    "features",  # I
    "parts",  # of the batch; 0 to split the units instead
    "bounds",  # rows at which parts begin and end, (parts + 1,)
    "rows",  # B
    "now",  # first packed row of each step in running order, (T,)
    "count",  # rows of each step, (T,)
    "before",  # first packed row of the step before it, (T,)
    "count_before",  # rows of the step before it, (T,); 0 where there is none
    "keep",  # whether each packed row keeps its state, bytes; read by kernels for resets only
    "arrived",  # 0; threads that split units count themselves here
    "give_way",  # address of a function that lets another thread run
    "thread_number",  # address of the team's function
    "thread_count",  # address of the team's function
    "split_tiles",  # of rows, for which each thread has room in what is split for a matrix unit
)
_PATIENCE = 4000  # rounds of waiting before another thread is let run


@dataclass(frozen=True)
class Product:
    """A product of rows with weights.

    Attributes:
        tile: Its shape.
        panel: The argument that says where the packed weights are; None for plain weights, which
            the factors name.
        factors: What a row brings to it.
        scratch: Where the sums of one tile are put.
        split: On a matrix unit, the argument that says where the parts of the factors are.
    """

    tile: Tile
    panel: str | None
    factors: Callable[[ir.Value], list[Factor]]
    scratch: ir.Value
    split: str


class Frame:
    """One kernel while it is being written.

    Args:
        module: Where it goes.
        name: Of the kernel: ``name(table, thread, threads)``; and ``team_name(table)``, which each
            thread of a team calls.
        names: Its arguments besides `COMMON`.
        format: Of the numbers.
        target: For which machine.
        resets: Whether rows may be marked to lose their state.

    Attributes:
        part: Number of this part of the batch, or of this thread where units are split.
        low, high: Rows that this thread works on.
        threads: How many wait for each other at each step: 1 where each runs by itself.
    """

    def __init__(
        self,
        module: ir.Module,
        name: str,
        names: Sequence[str],
        format: Format,
        target: Target,
        resets: bool,
    ) -> None:
        self.module, self.name, self.resets = module, name, resets
        self.target = target
        self.names = [*COMMON, *names]
        kind = ir.FunctionType(ir.VoidType(), [POINTER, *[INDEX] * 4])
        function = ir.Function(module, kind, f"part_{name}")
        function.linkage = "internal"
        self.builder = ir.IRBuilder(function.append_basic_block())
        self.code = Code(self.builder, format, target)
        self.matrix = Matrix(self.code)
        table, self.part, self.low, self.high, self.threads = function.args
        self.words = {
            word: self.code.word_at(table, place) for place, word in enumerate(self.names)
        }

    def product(
        self,
        tile: Tile,
        panel: str | None,
        factors: Callable[[ir.Value], list[Factor]],
        split: str,
    ) -> Product:
        """A product with room for the sums of one tile; see `Product`."""
        scalars = tile.rows * tile.blocks * tile.units * tile.width
        room = self.room(ir.ArrayType(self.code.format.scalar, scalars))
        return Product(tile, panel, factors, room, split)

    def share(self, count: ir.Value) -> tuple[ir.Value, ir.Value]:
        """This thread's part of so many groups: all of them, unless units are split."""
        b, code = self.builder, self.code
        alone = b.icmp_signed("==", self.threads, code.number(1))
        thread = b.select(alone, code.number(0), self.part)
        first = b.sdiv(code.product(count, thread), self.threads)
        last = b.sdiv(code.product(count, code.sum(thread, 1)), self.threads)
        return first, last

    def share_rows(self, step: "Step") -> tuple[ir.Value, ir.Value]:
        """Rows of a step that this thread works on where each row stays whole."""
        count = self.code.sum(step.high, self.builder.neg(self.low))
        first, last = self.share(count)
        return self.code.sum(self.low, first), self.code.sum(self.low, last)

    def groups(self, tile: Tile, units: ir.Value) -> ir.Value:
        """How many groups a number of units takes."""
        size = tile.units * tile.width
        return self.builder.sdiv(self.code.sum(units, size - 1), self.code.number(size))

    def address(self, word: str) -> ir.Value:
        """The address that an argument holds."""
        return self.builder.inttoptr(self.words[word], POINTER)

    def line(self, table: str, number: ir.Value, size: int) -> list[ir.Value]:
        """The words of one line of the table that an argument names, of so many words each."""
        first = self.code.product(number, size)
        return [
            self.code.word_at(self.address(table), self.code.sum(first, place))
            for place in range(size)
        ]

    def finish(self) -> None:
        """End the part, and write the two entries that call it."""
        self.builder.ret_void()
        self._emit_entry()
        self._emit_team_entry()

    @contextmanager
    def without_subnormals(self) -> Iterator[None]:
        """Numbers under the format's normal ones count as zero: they cost a hundred times more."""
        if not self.target.is_x86:
            yield
            return
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [POINTER])
        store = ir.Function(self.module, kind, "llvm.x86.sse.stmxcsr")
        load = ir.Function(self.module, kind, "llvm.x86.sse.ldmxcsr")
        was, now = self.room(word), self.room(word)
        self.builder.call(store, [was])
        flags = self.builder.or_(self.builder.load(was, typ=word), ir.Constant(word, 0x8040))
        self.builder.store(flags, now)
        self.builder.call(load, [now])
        yield
        self.builder.call(load, [was])

    @contextmanager
    def matrix_unit(self, used: bool) -> Iterator[None]:
        """Have the matrix unit ready inside the ``with``, if it is used."""
        if not used:
            yield
            return
        with self.matrix.ready(self.room(PALETTE)):
            yield

    def finish_streams(self) -> None:
        """Let other threads see what was written past the caches."""
        kind = ir.FunctionType(ir.VoidType(), [])
        self.builder.call(ir.Function(self.module, kind, "llvm.x86.sse.sfence"), [])

    def state_before(self, state: str, row: ir.Value, step: "Step") -> ir.Value:
        """Where a row's state before a step begins: among the steps, or among the initial ones."""
        code = self.code
        kept = self.builder.icmp_signed("<", row, step.count_before)
        base = self.builder.select(
            kept, self.address(f"state.{state}"), self.address(f"initial.{state}")
        )
        shift = code.product(step.before, self.words[f"stride.{state}"])
        shift = self.builder.select(kept, shift, code.number(0))
        return code.pointer_at(base, code.product(code.sum(shift, row), self.words["hidden"]))

    def step(self, index: ir.Value) -> "Step":
        """Read the tables for a step in running order."""
        now, count, before, count_before = (
            self.code.word_at(self.address(word), index)
            for word in ("now", "count", "before", "count_before")
        )
        odd = self.builder.and_(index, self.code.number(1))
        return Step(now, before, count_before, self.code.smaller(self.high, count), odd)

    def keeps(self, step: "Step", row: ir.Value) -> ir.Value:
        """Whether a row keeps its state; only where the kernel is one for resets."""
        byte = ir.IntType(8)
        place = self.builder.gep(
            self.address("keep"), [self.code.sum(step.now, row)], source_etype=byte
        )
        return self.builder.icmp_unsigned("!=", self.builder.load(place, typ=byte), byte(0))

    def masked_by_reset(self, value: ir.Value, keeps: ir.Value | None) -> ir.Value:
        """Zero where the row does not keep its state."""
        if keeps is None:
            return value
        return self.builder.select(keeps, value, self.code.maths.number(0.0))

    def each_tile(
        self,
        step: "Step",
        share: tuple[ir.Value, ir.Value],
        products: Sequence[Product],
        use: Callable[[ir.Value, ir.Value, ir.Value], None],
        turned: ir.Value | None = None,
    ) -> None:
        """Write the loop over groups of units and blocks of rows, with the products inside.

        Args:
            step: Which rows there are.
            share: First group and the one after the last.
            products: Of tiles with as many rows; their sums are in their scratch.
            use: Called after them with group, first row and number of rows.
            turned: Not 0 to begin with the last group; by default in every other step, so that
                the weights that a step reads first are those that the caches still hold.
        """
        code, b = self.code, self.builder
        turned = b.icmp_signed("!=", step.odd if turned is None else turned, code.number(0))
        most = min((product.tile.rows for product in products), default=8)
        with code.loop(*share) as loop, self._each_block(step, most) as (block, start, size):
            mirrored = code.sum(share[0], share[1], -1, b.neg(loop.index))
            group = b.select(turned, mirrored, loop.index)
            if products and products[0].tile.matrix:
                for product in products:
                    self._emit_matrix_product(product, group, block)
            else:
                self._emit_products(group, start, size, most, products)
            use(group, start, size)

    def split(self, step: "Step", product: Product) -> None:
        """Split what this thread's rows bring to a product on the matrix unit in its parts."""
        code = self.code
        with self._each_block(step, product.tile.rows) as (block, start, size):
            tiles = self._split_tiles(product, block)
            with code.loop(0, size) as loop:
                line = self.matrix.at(tiles, code.product(loop.index, LINE))
                for factor in product.factors(code.sum(start, loop.index)):
                    line = self._split_factor(factor, line)

    def _split_factor(self, factor: Factor, line: ir.Value) -> ir.Value:
        """Split a row's numbers; gives where those of the next factor go."""
        code, (row,) = self.code, factor.rows
        tiles = self.matrix.depth(factor.count)
        with code.loop(0, tiles) as loop:
            halves = []
            for half in range(2):
                place = code.sum(code.product(loop.index, DEPTH), half * code.width)
                mask = code.mask(code.sum(factor.count, self.builder.neg(place)))
                halves.append(code.load(code.pointer_at(row, place), mask))
            target = self.matrix.at(line, code.product(loop.index, PARTS * TILE))
            self.matrix.store_split(target, *halves)
        return self.matrix.at(line, code.product(tiles, PARTS * TILE))

    def _split_tiles(self, product: Product, block: ir.Value) -> ir.Value:
        """Where the parts of a block of this thread's rows are."""
        code = self.code
        place = code.sum(code.product(self.part, self.words["split_tiles"]), block)
        size = code.product(self._tiles_deep(product), PARTS * TILE)
        return self.matrix.at(self.address(product.split), code.product(place, size))

    def _tiles_deep(self, product: Product) -> ir.Value:
        """How many tiles the factors of a product take, one behind the other."""
        factors = product.factors(self.low)
        return self.code.sum(*(self.matrix.depth(factor.count) for factor in factors))

    def _emit_matrix_product(self, product: Product, group: ir.Value, block: ir.Value) -> None:
        code, tile = self.code, product.tile
        tiles = self._tiles_deep(product)
        rows = self._split_tiles(product, block)
        size = code.product(tiles, AT_ONCE * PARTS * TILE)
        base = self.address(str(product.panel))
        with code.loop(0, tile.panels) as panel:
            place = code.sum(code.product(group, tile.panels), panel.index)
            columns = self.matrix.at(base, code.product(place, size))
            sums = self.matrix.at(product.scratch, code.product(panel.index, AT_ONCE * LINE))
            stride = code.number(tile.panels * AT_ONCE * LINE)
            self.matrix.product(rows, columns, tiles, sums, stride)

    @contextmanager
    def _each_block(self, step: "Step", most: int) -> Iterator[tuple[ir.Value, ir.Value, ir.Value]]:
        """Write the loop over blocks of this thread's rows, about equally large.

        Its body is what is emitted inside the ``with``, which gets the block's number, its first
        row and how many it has.
        """
        code, b = self.code, self.builder
        rows = code.sum(step.high, b.neg(self.low))
        some = b.icmp_signed(">", rows, code.number(0))
        blocks = b.sdiv(code.sum(rows, most - 1), code.number(most))
        divisor = b.select(some, blocks, code.number(1))
        least, larger = b.sdiv(rows, divisor), b.srem(rows, divisor)
        blocks = b.select(some, blocks, code.number(0))
        with code.loop(0, blocks) as block:
            more = b.zext(b.icmp_signed("<", block.index, larger), INDEX)
            start = code.sum(
                self.low, code.product(block.index, least), code.smaller(block.index, larger)
            )
            yield block.index, start, code.sum(least, more)

    def sums_of(self, product: Product, vector: ir.Value, block: int, row: ir.Value) -> ir.Value:
        """A product's sums, for a row of the tile, a vector of units in its group, and a block."""
        code, tile = self.code, product.tile
        place = code.sum(
            code.product(row, tile.blocks * tile.units), code.product(vector, tile.blocks), block
        )
        return code.load(code.pointer_at(product.scratch, code.product(place, code.width)))

    def each_vector(
        self, tile: Tile, units: ir.Value, group: ir.Value, use: Callable[..., None]
    ) -> None:
        """Write the loop over a group's vectors of units.

        Args:
            tile: Which has the group.
            units: How many there are in all.
            group: Its number.
            use: Called with the vector's number in the group, its first unit, and the mask of its
                units that exist.
        """
        code = self.code
        first = code.product(group, tile.units)
        vectors = self.vectors(units)
        rest = code.sum(vectors, self.builder.neg(first))
        with code.loop(0, code.smaller(rest, code.number(tile.units))) as vector:
            unit, mask = self.units_from(code.sum(first, vector.index), units)
            use(vector.index, unit, mask)

    def vectors(self, units: ir.Value) -> ir.Value:
        """How many vectors hold so many units."""
        width = self.code.width
        return self.builder.sdiv(self.code.sum(units, width - 1), self.code.number(width))

    def units_from(self, vector: ir.Value, units: ir.Value) -> tuple[ir.Value, ir.Value]:
        """The first unit of a vector, and the mask of those that exist."""
        unit = self.code.product(vector, self.code.width)
        return unit, self.code.mask(self.code.sum(units, self.builder.neg(unit)))

    def wait_for_all(self, round: ir.Value) -> None:
        """Where units are split: wait until every thread has come here so many times."""
        b, code = self.builder, self.code
        with b.if_then(b.icmp_signed(">", self.threads, code.number(1))):
            place = self.code.number(self.names.index("arrived"))
            arrived = b.gep(self.builder.function.args[0], [place], source_etype=INDEX)
            b.atomic_rmw("add", arrived, code.number(1), "acq_rel")
            goal = code.product(code.sum(round, 1), self.threads)
            before = b.block
            head, patient, other, after = (b.append_basic_block() for _ in range(4))
            b.branch(head)
            b.position_at_end(head)
            waited = b.phi(INDEX)
            waited.add_incoming(code.number(0), before)
            seen = b.load_atomic(arrived, "acquire", 8, typ=INDEX)
            b.cbranch(b.icmp_signed("<", seen, goal), patient, after)
            b.position_at_end(patient)
            longer = code.sum(waited, 1)
            waited.add_incoming(longer, b.block)
            self._pause()
            b.cbranch(b.icmp_signed("<", waited, code.number(_PATIENCE)), head, other)
            b.position_at_end(other)
            give_way = ir.FunctionType(ir.IntType(32), [])
            b.call(_function_at(b, self.words["give_way"], give_way), [])
            waited.add_incoming(longer, b.block)
            b.branch(head)
            b.position_at_end(after)

    def room(self, kind: ir.Type) -> ir.Value:
        """Room on the stack, for as long as the part runs."""
        with self.builder.goto_entry_block():
            room = self.builder.alloca(kind)
        room.align = 64
        room.type = POINTER  # llvmlite gives a pointer of the old, typed kind
        return room

    def _pause(self) -> None:
        if self.target.is_x86:
            name = "llvm.x86.sse2.pause"
            known = self.module.globals.get(name)
            kind = ir.FunctionType(ir.VoidType(), [])
            self.builder.call(known or ir.Function(self.module, kind, name), [])

    def _emit_products(
        self,
        group: ir.Value,
        start: ir.Value,
        size: ir.Value,
        most: int,
        products: Sequence[Product],
    ) -> None:
        """For each number of rows that a tile may have, the products of so many rows."""
        b = self.builder
        after = b.append_basic_block("products_done")
        cases = [b.append_basic_block(f"rows{count}") for count in range(1, most + 1)]
        choice = b.switch(size, cases[-1])
        for count, case in enumerate(cases, 1):
            choice.add_case(self.code.number(count), case)
            b.position_at_end(case)
            rows = [self.code.sum(start, row) for row in range(count)]
            for product in products:
                factors = [product.factors(row) for row in rows]
                if product.panel is None:
                    self._emit_plain_product(product, group, factors[0])
                else:
                    self._emit_product(product, group, factors)
            b.branch(after)
        b.position_at_end(after)

    def _emit_product(self, product: Product, group: ir.Value, rows: list[list[Factor]]) -> None:
        code, tile = self.code, product.tile
        joined = [
            Factor([own.rows[0] for own in same], same[0].count) for same in zip(*rows, strict=True)
        ]
        length = code.sum(*(factor.count for factor in joined))
        size = code.product(length, tile.vectors * tile.width)
        at_once = tile.panels_at_once(len(rows))
        base = self.address(str(product.panel))
        with code.loop(0, tile.panels, at_once) as panel:
            place = code.sum(code.product(group, tile.panels), panel.index)
            panels = [
                code.pointer_at(base, code.product(code.sum(place, other), size))
                for other in range(at_once)
            ]
            first = code.product(panel.index, tile.vectors)
            for row, sums in enumerate(emit_product(code, joined, panels, tile.vectors)):
                for vector, value in enumerate(sums):
                    line = code.sum(first, row * tile.blocks * tile.units + vector)
                    place = code.product(line, code.width)
                    code.store(value, code.pointer_at(product.scratch, place))

    def _emit_plain_product(self, product: Product, group: ir.Value, factors: list[Factor]) -> None:
        """The product of one row with weights as they are, which are read only once."""
        code, width = self.code, self.code.width
        hidden = self.words["hidden"]
        at_once = min(width, 8)
        first = code.product(group, width)
        for block in range(product.tile.blocks):
            with code.loop(0, width, at_once) as lane:
                # past the last unit, the last is taken again: nobody looks at these sums
                units = [
                    code.smaller(code.sum(first, lane.index, other), code.sum(hidden, -1))
                    for other in range(at_once)
                ]
                outputs = [code.sum(code.product(hidden, block), unit) for unit in units]
                for other, value in enumerate(emit_plain_sums(code, factors, outputs)):
                    place = code.sum(block * width + other, lane.index)
                    self.builder.store(value, code.pointer_at(product.scratch, place))

    def _emit_entry(self) -> None:
        """``name(table, thread, threads)``: what this thread works on, by rows or by units."""
        kind = ir.FunctionType(ir.VoidType(), [POINTER, INDEX, INDEX])
        function = ir.Function(self.module, kind, self.name)
        builder = ir.IRBuilder(function.append_basic_block())
        code = Code(builder, self.code.format, self.target)
        table, thread, threads = function.args
        part = self.module.globals[f"part_{self.name}"]

        def word(name: str) -> ir.Value:
            return code.word_at(table, self.names.index(name))

        parts, one = word("parts"), code.number(1)
        with builder.if_else(builder.icmp_signed(">", parts, code.number(0))) as (
            by_rows,
            by_units,
        ):
            with by_rows:
                bounds = builder.inttoptr(word("bounds"), POINTER)
                with code.loop(thread, parts, threads) as own:
                    low = code.word_at(bounds, own.index)
                    high = code.word_at(bounds, code.sum(own.index, 1))
                    builder.call(part, [table, own.index, low, high, one])
            with by_units:
                builder.call(part, [table, thread, code.number(0), word("rows"), threads])
        builder.ret_void()

    def _emit_team_entry(self) -> None:
        """``team_name(table)``: asks the team which thread this is."""
        kind = ir.FunctionType(ir.VoidType(), [POINTER])
        function = ir.Function(self.module, kind, f"team_{self.name}")
        builder = ir.IRBuilder(function.append_basic_block())
        code = Code(builder, self.code.format, self.target)
        ask = ir.FunctionType(ir.IntType(32), [])
        thread, threads = (
            builder.sext(
                builder.call(
                    _function_at(
                        builder, code.word_at(function.args[0], self.names.index(name)), ask
                    ),
                    [],
                ),
                INDEX,
            )
            for name in ("thread_number", "thread_count")
        )
        builder.call(self.module.globals[self.name], [function.args[0], thread, threads])
        builder.ret_void()


@dataclass(frozen=True)
class Step:
    """The rows of one step.

    Attributes:
        now: First packed row.
        before: First packed row of the step before.
        count_before: Rows of the step before; the rest starts from the initial state.
        high: Where this thread's rows end.
        odd: 1 in every other step, else 0.
    """

    now: ir.Value
    before: ir.Value
    count_before: ir.Value
    high: ir.Value
    odd: ir.Value


def _function_at(builder: ir.IRBuilder, word: ir.Value, kind: ir.FunctionType) -> ir.Value:
    """A function to call, by its address."""
    return builder.inttoptr(word, kind.as_pointer())
