"""Matrix: products of float32 on a machine's matrix unit, which multiplies bfloat16 (Intel's AMX).

A float32 is the sum of three bfloat16, with 8 bits of its fraction each: x = x₀ + x₁ + x₂ exactly,
where x₀ is x rounded, x₁ what is left, rounded, and x₂ the rest. Of the nine products of two such
sums, six are added up, x₀y₀ + x₀y₁ + x₁y₀ + x₁y₁ + x₀y₂ + x₂y₀; what is left out is under 2⁻²⁵ of
xy. The unit adds in float32. So the result is as near to the exact one as that of fused products in
vectors (Henry, Tang, Heinecke: Leveraging the bfloat16 artificial intelligence datatype for
higher-precision computations, 2019), but an infinite factor gives NaN, and numbers near the largest
float32, from 3.39e38 on, count as infinite.

The unit multiplies a tile of 16 rows with 32 numbers each by one of 32 lines with 16 numbers, whose
lines it wants in pairs. Here the line k + j stands beside the line k + 16 + j, so that two vectors
are laid together with one shift and no exchange of places; rows have their numbers in the same
order. A tile takes `TILE` bytes, and its three parts follow one another.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from llvmlite import ir

from engram.engine.cpu.codegen.code import INDEX, POINTER, Code

ROWS = 16  # of a tile
DEPTH = 32  # numbers of each row that one instruction multiplies
PARTS = 3
LINE = 64  # bytes of a row of a tile: 32 of bfloat16, or 16 sums
TILE = ROWS * LINE
# Tiles of sums that are under way at once: the unit begins a product every 16 clocks and needs 52.
AT_ONCE = 4

_BYTE = ir.IntType(8)
_WORD = ir.IntType(32)
PALETTE = ir.ArrayType(_BYTE, 64)  # what the unit is told of its tiles


def depth(count: int) -> int:
    """The number of tiles for ``count`` numbers of a row."""
    return -(-count // DEPTH)


def split_bytes(rows: int, counts: Sequence[int]) -> int:
    """Bytes of the parts of ``rows`` rows, whose factors have ``counts`` numbers."""
    return -(-rows // ROWS) * sum(depth(count) for count in counts) * PARTS * TILE


class Matrix:
    """Writes what is done with the matrix unit.

    Args:
        code: Which writes the rest, for float32 in vectors of 16.
    """

    def __init__(self, code: Code) -> None:
        self.code, self.builder = code, code.builder

    @contextmanager
    def ready(self, room: ir.Value) -> Iterator[None]:
        """Have the unit ready for whole tiles, inside the ``with``.

        Args:
            room: For a `PALETTE`.
        """
        b = self.builder
        b.store(ir.Constant(PALETTE, None), room)
        self._set_byte(room, 0, 1)  # the palette with eight tiles
        for tile in range(8):
            self._set_byte(room, 16 + 2 * tile, LINE)
            self._set_byte(room, 48 + tile, ROWS)
        b.call(self._declared("ldtilecfg", POINTER), [room])
        yield
        b.call(self._declared("tilerelease"), [])

    def depth(self, count: ir.Value) -> ir.Value:
        """The number of tiles for ``count`` numbers of a row."""
        rounded = self.code.sum(count, DEPTH - 1)
        return self.builder.sdiv(rounded, self.code.number(DEPTH))

    def at(self, base: ir.Value, *bytes: ir.Value | int) -> ir.Value:
        """The address after ``base`` by the sum of ``bytes``."""
        return self.builder.gep(base, [self.code.sum(*bytes)], source_etype=_BYTE)

    def store_split(self, address: ir.Value, first: ir.Value, second: ir.Value) -> None:
        """Write a line of each part of a tile: two vectors of float32 side by side.

        Args:
            address: Of the line in the first part.
            first: The numbers at k to k + 15; or those of line k + j, for 16 outputs.
            second: The numbers at k + 16 to k + 31; or those of line k + 16 + j.
        """
        for part, words in enumerate(self.pairs(first, second)):
            self.builder.store(words, self.at(address, part * TILE), align=4)

    def pairs(self, first: ir.Value, second: ir.Value) -> list[ir.Value]:
        """The three parts of two vectors of float32, numbers at the same place in one word."""
        b = self.builder
        return [
            b.or_(b.lshr(low, self._words(16)), high)
            for low, high in zip(self._parts(first), self._parts(second), strict=True)
        ]

    def _parts(self, value: ir.Value) -> list[ir.Value]:
        """The three bfloat16 of each number, in the upper halves of words."""
        b = self.builder
        kind = ir.VectorType(_WORD, self.code.width)
        upper = self._words(0xFFFF0000)
        parts = []
        for _ in range(PARTS - 1):
            rounded = b.and_(b.add(b.bitcast(value, kind), self._words(0x8000)), upper)
            parts.append(rounded)
            value = b.fsub(value, b.bitcast(rounded, value.type))
        # the rest fits as it is, and what is not a number stays so
        return [*parts, b.and_(b.bitcast(value, kind), upper)]

    def product(
        self,
        rows: ir.Value,
        columns: ir.Value,
        tiles: ir.Value,
        sums: ir.Value,
        stride: ir.Value,
        so_far: bool = False,
    ) -> None:
        """Multiply 16 rows with `AT_ONCE` vectors of columns.

        Args:
            rows: Where the parts of the rows are, tile behind tile.
            columns: Where those of the columns are: at each depth, one vector behind the other.
            tiles: How many tiles deep.
            sums: Where the sums go, vectors of a row side by side.
            stride: Bytes from one row of sums to the next.
            so_far: Whether they are added to what is there.
        """
        code = self.code
        targets = [self.at(sums, LINE * vector) for vector in range(AT_ONCE)]
        for vector, target in enumerate(targets):
            if so_far:
                self._load(vector, target, stride)
            else:
                self.builder.call(self._declared("tilezero", _BYTE), [_BYTE(vector)])
        own, other = range(AT_ONCE, AT_ONCE + PARTS), AT_ONCE + PARTS
        line = code.number(LINE)
        with code.loop(0, tiles) as loop:
            row = self.at(rows, code.product(loop.index, PARTS * TILE))
            column = self.at(columns, code.product(loop.index, AT_ONCE * PARTS * TILE))
            for part, tile in enumerate(own):
                self._load(tile, self.at(row, part * TILE), line)
            for part in reversed(range(PARTS)):  # small products first
                for vector in range(AT_ONCE):
                    self._load(other, self.at(column, (vector * PARTS + part) * TILE), line)
                    for tile in reversed(own[: PARTS - part]):
                        multiply = self._declared("tdpbf16ps", _BYTE, _BYTE, _BYTE)
                        self.builder.call(multiply, [_BYTE(vector), _BYTE(tile), _BYTE(other)])
        for vector, target in enumerate(targets):
            store = self._declared("tilestored64", _BYTE, POINTER, INDEX)
            self.builder.call(store, [_BYTE(vector), target, stride])

    def _load(self, tile: int, address: ir.Value, stride: ir.Value) -> None:
        load = self._declared("tileloadd64", _BYTE, POINTER, INDEX)
        self.builder.call(load, [_BYTE(tile), address, stride])

    def _set_byte(self, room: ir.Value, place: int, value: int) -> None:
        self.builder.store(_BYTE(value), self.at(room, place))

    def _words(self, value: int) -> ir.Constant:
        kind = ir.VectorType(_WORD, self.code.width)
        return ir.Constant(kind, [_WORD(value)] * self.code.width)

    def _declared(self, name: str, *operands: ir.Type) -> ir.Function:
        module, name = self.builder.module, f"llvm.x86.{name}"
        known = module.globals.get(name)
        kind = ir.FunctionType(ir.VoidType(), operands)
        return known if known is not None else ir.Function(module, kind, name)
