"""Matrix products: the sums of weights' gradients on a matrix unit, from rows that were copied.

The sum runs over rows, so that these are the depth of the tiles (see `matrix`): of z, lines stand
in pairs as they are; a must be turned around, so that a unit has its numbers of 32 rows side by
side.
"""

from llvmlite import ir

from engram.engine.cpu.codegen.matrix import AT_ONCE, DEPTH, LINE, PARTS, TILE
from engram.engine.cpu.kernels.frame import Frame

# Tiles of z that are multiplied with all lines of a at once: those of four vectors stay in a core's
# first cache.
_DEEP = 2


def emit_matrix_products(
    frame: Frame,
    first_line: ir.Value,
    share: tuple[ir.Value, ir.Value],
    count: ir.Value,
    begins: ir.Value,
) -> None:
    """Add the products of copied rows to the sums; arguments as in `products`.

    Args:
        frame: Of the kernel.
        first_line: Vector of a at which this thread's begin.
        share: First of its vectors of a and the one after the last.
        count: Rows that were copied.
        begins: Whether the sums are yet undefined.
    """
    _MatrixProducts(frame, first_line, share, count).emit(begins)


class _MatrixProducts:
    """The products while they are being written."""

    def __init__(
        self,
        frame: Frame,
        first_line: ir.Value,
        share: tuple[ir.Value, ir.Value],
        count: ir.Value,
    ) -> None:
        self.frame, self.code, self.words = frame, frame.code, frame.words
        self.first_line, self.share, self.count = first_line, share, count
        self.own = frame.code.product(frame.threads.part, frame.words["columns"])
        self.tiles = frame.matrix.depth(count)
        self.most_tiles = frame.matrix.depth(frame.words["room"])

    def emit(self, begins: ir.Value) -> None:
        code, b, words = self.code, self.frame.builder, self.words
        with code.loop(*self.share) as line, code.loop(0, self.tiles) as tile:
            self._split_gradients(line.index, tile.index)
        with code.loop(0, words["columns"]) as column, code.loop(0, self.tiles) as tile:
            self._split_factors(column.index, tile.index)
        with (
            code.loop(0, words["columns"], AT_ONCE) as column,
            code.loop(0, self.tiles, _DEEP) as tile,
        ):
            deep = code.smaller(code.sum(self.tiles, b.neg(tile.index)), code.number(_DEEP))
            undefined = b.and_(begins, b.icmp_signed("==", tile.index, code.number(0)))
            factors = self._factors(column.index, tile.index)
            with code.loop(*self.share) as line:
                gradients = self._gradients(line.index, tile.index)
                sums = self._sums(line.index, column.index)
                stride = code.product(words["row"], LINE)
                with b.if_else(undefined) as (first, later):
                    for case, so_far in ((first, False), (later, True)):
                        with case:
                            self.frame.matrix.product(
                                gradients, factors, deep, sums, stride, so_far
                            )

    def _split_gradients(self, line: ir.Value, tile: ir.Value) -> None:
        """The parts of 32 rows of a vector of a, unit by unit."""
        code, matrix = self.code, self.frame.matrix
        copies = code.product(code.sum(self.first_line, line), self.words["room"])
        pairs = [
            matrix.pairs(*(self._copied("copied_a", copies, tile, k) for k in (j, j + DEPTH // 2)))
            for j in range(DEPTH // 2)
        ]
        target = self._gradients(line, tile)
        for part, words in enumerate(zip(*pairs, strict=True)):
            for unit, row in enumerate(code.transposed(words)):
                address = matrix.at(target, part * TILE + unit * LINE)
                self.frame.builder.store(row, address, align=4)

    def _split_factors(self, column: ir.Value, tile: ir.Value) -> None:
        """The parts of 32 rows of a vector of z, pair of rows by pair."""
        code, matrix = self.code, self.frame.matrix
        copies = code.product(code.sum(self.own, column), self.words["room"])
        target = self._factors(column, tile)
        with code.loop(0, DEPTH // 2) as j:
            halves = (
                self._copied("copied_z", copies, tile, k)
                for k in (j.index, code.sum(j.index, DEPTH // 2))
            )
            matrix.store_split(matrix.at(target, code.product(j.index, LINE)), *halves)

    def _copied(self, word: str, copies: ir.Value, tile: ir.Value, k: ir.Value | int) -> ir.Value:
        """A vector of a copied row; zero past the last row."""
        code = self.code
        row = code.sum(code.product(tile, DEPTH), k)
        exists = self.frame.builder.icmp_signed("<", row, self.count)
        lanes = self.frame.builder.select(exists, code.number(code.width), code.number(0))
        place = code.product(code.sum(copies, row), code.width)
        return code.load(code.pointer_at(self.frame.address(word), place), code.mask(lanes))

    def _gradients(self, line: ir.Value, tile: ir.Value) -> ir.Value:
        """Where the parts of a vector of a are."""
        code = self.code
        place = code.product(code.sum(self.first_line, line), self.most_tiles)
        place = code.product(code.sum(place, tile), PARTS * TILE)
        return self.frame.matrix.at(self.frame.address("split_a"), place)

    def _factors(self, column: ir.Value, tile: ir.Value) -> ir.Value:
        """Where those of a vector of z are: some vectors side by side at each depth."""
        code, b = self.code, self.frame.builder
        inside = b.srem(column, code.number(AT_ONCE))
        first = code.sum(self.own, column, b.neg(inside))
        place = code.sum(code.product(first, self.most_tiles), code.product(tile, AT_ONCE), inside)
        return self.frame.matrix.at(
            self.frame.address("split_z"), code.product(place, PARTS * TILE)
        )

    def _sums(self, line: ir.Value, column: ir.Value) -> ir.Value:
        code = self.code
        line = code.product(code.sum(self.first_line, line), code.width)
        place = code.sum(code.product(line, self.words["row"]), column)
        return code.pointer_at(self.frame.address("sums"), code.product(place, code.width))
