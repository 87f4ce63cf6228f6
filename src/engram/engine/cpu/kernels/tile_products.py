"""Tile products: products of rows with packed weights, by blocks of rows and groups of units.

On vectors, or on a matrix unit, for which what the rows bring is split in parts before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llvmlite import ir

from engram.engine.cpu.codegen.code import Code
from engram.engine.cpu.codegen.matrix import AT_ONCE, DEPTH, LINE, PARTS, TILE, Matrix
from engram.engine.cpu.codegen.tile import Factor, Tile, emit_plain_sums, emit_product
from engram.engine.cpu.kernels.arguments import Arguments
from engram.engine.cpu.kernels.steps import Step
from engram.engine.cpu.kernels.threads import Threads


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


class TileProducts:
    """Writes the products of one kernel.

    Args:
        code: Of the kernel.
        matrix: Its matrix unit.
        arguments: Which say where the weights are.
        threads: Which rows this thread works on.
    """

    def __init__(self, code: Code, matrix: Matrix, arguments: Arguments, threads: Threads) -> None:
        self.code, self.builder, self.matrix = code, code.builder, matrix
        self.arguments, self.threads = arguments, threads

    def declare(
        self,
        tile: Tile,
        panel: str | None,
        factors: Callable[[ir.Value], list[Factor]],
        split: str,
    ) -> Product:
        """A product with room for the sums of one tile; see `Product`."""
        scalars = tile.rows * tile.blocks * tile.units * tile.width
        room = self.code.room(ir.ArrayType(self.code.format.scalar, scalars))
        return Product(tile, panel, factors, room, split)

    def groups(self, tile: Tile, units: ir.Value) -> ir.Value:
        """How many groups a number of units takes."""
        size = tile.units * tile.width
        return self.builder.sdiv(self.code.sum(units, size - 1), self.code.number(size))

    def each_tile(
        self,
        step: Step,
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
        with code.loop(*share) as loop, self.threads.each_block(step, most) as (block, start, size):
            mirrored = code.sum(share[0], share[1], -1, b.neg(loop.index))
            group = b.select(turned, mirrored, loop.index)
            if products and products[0].tile.matrix:
                for product in products:
                    self._emit_matrix_product(product, group, block)
            else:
                self._emit_products(group, start, size, most, products)
            use(group, start, size)

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
        vectors = self.code.vectors(units)
        rest = code.sum(vectors, self.builder.neg(first))
        with code.loop(0, code.smaller(rest, code.number(tile.units))) as vector:
            unit, mask = self.code.units_from(code.sum(first, vector.index), units)
            use(vector.index, unit, mask)

    def _emit_products(
        self,
        group: ir.Value,
        start: ir.Value,
        size: ir.Value,
        most: int,
        products: Sequence[Product],
    ) -> None:
        """For each number of rows that a tile may have, the products of that many rows."""
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
        base = self.arguments.address(str(product.panel))
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
        hidden = self.arguments.words["hidden"]
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

    def split(self, step: Step, product: Product) -> None:
        """Split what this thread's rows bring to a product on the matrix unit in its parts."""
        code = self.code
        with self.threads.each_block(step, product.tile.rows) as (block, start, size):
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
        place = code.sum(
            code.product(self.threads.part, self.arguments.words["split_tiles"]), block
        )
        size = code.product(self._tiles_deep(product), PARTS * TILE)
        return self.matrix.at(self.arguments.address(product.split), code.product(place, size))

    def _tiles_deep(self, product: Product) -> ir.Value:
        """How many tiles the factors of a product take, one behind the other."""
        factors = product.factors(self.threads.low)
        return self.code.sum(*(self.matrix.depth(factor.count) for factor in factors))

    def _emit_matrix_product(self, product: Product, group: ir.Value, block: ir.Value) -> None:
        code, tile = self.code, product.tile
        tiles = self._tiles_deep(product)
        rows = self._split_tiles(product, block)
        size = code.product(tiles, AT_ONCE * PARTS * TILE)
        base = self.arguments.address(str(product.panel))
        with code.loop(0, tile.panels) as panel:
            place = code.sum(code.product(group, tile.panels), panel.index)
            columns = self.matrix.at(base, code.product(place, size))
            sums = self.matrix.at(product.scratch, code.product(panel.index, AT_ONCE * LINE))
            stride = code.number(tile.panels * AT_ONCE * LINE)
            self.matrix.product(rows, columns, tiles, sums, stride)
