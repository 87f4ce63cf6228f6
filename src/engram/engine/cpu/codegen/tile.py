"""Tile: the product of a few rows with a panel of weights, whose sums stay in registers.

A matrix of ``blocks·H`` outputs (a block is a gate, or a state) is packed so that the tile reads it
in order: units are cut into vectors, some vectors of units form a *group*, and the vectors of all
blocks of a group form *panels* of a few vectors each. Memory order: ``[group][panel][k][vector]``.
Within a group the vectors go unit by unit, and within a unit block by block.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from engram.engine.cpu.codegen.code import Code
from engram.engine.cpu.codegen.matrix import AT_ONCE, ROWS


@dataclass(frozen=True)
class Tile:
    """The shape of a product's inner tile.

    Attributes:
        blocks: Outputs for each unit.
        width: Numbers in a vector.
        vectors: Of weights, in a panel.
        rows: At most, at once.
        units: Vectors of units in a group.
        sums: At most, in registers.
        matrix: Whether the product runs on a matrix unit; see `matrix`.
    """

    blocks: int
    width: int
    vectors: int
    rows: int
    units: int
    sums: int
    matrix: bool = False

    @property
    def panels(self) -> int:
        """Panels in a group."""
        return self.blocks * self.units // self.vectors

    def groups(self, hidden: int) -> int:
        """Groups that H units take."""
        return -(-hidden // (self.units * self.width))

    def panels_at_once(self, rows: int) -> int:
        """How many panels of a group are read together: where rows are few, all that fit."""
        fitting = [
            count
            for count in range(1, self.panels + 1)
            if self.panels % count == 0 and rows * self.vectors * count <= self.sums
        ]
        return fitting[-1]


def best_tile(blocks: int, width: int, registers: int) -> Tile:
    """The tile with the most sums in a number of vector registers, and then with the most rows.

    Each of ``rows·vectors`` sums takes a register, as does each vector of weights; one more holds
    the number that a row brings. Many rows matter more than wide panels, because the weights come
    from the second cache and the rows from the first. Groups are 1, 2 or 4 vectors of units, since
    H is padded to them, and hold two panels where they can, for tiles of few rows.
    """
    sums = registers * 3 // 4
    tiles = []
    for vectors in range(2, registers // 4):
        rows = sums // vectors
        units = math.lcm(blocks, vectors) // blocks
        if blocks * units == vectors:
            units *= 2
        if rows > 1 and units in (1, 2, 4):
            tiles.append(Tile(blocks, width, vectors, rows, units, sums))
    return max(tiles, key=lambda tile: (tile.rows * tile.vectors, tile.rows))


def plain_tile(blocks: int, width: int) -> Tile:
    """The tile of a product with weights as they are: one row, one vector of units."""
    return Tile(blocks, width, vectors=blocks, rows=1, units=1, sums=blocks)


def matrix_tile(blocks: int, width: int) -> Tile:
    """The tile of a product on a matrix unit: whole panels, whatever the blocks."""
    units = math.lcm(blocks, AT_ONCE) // blocks
    return Tile(blocks, width, AT_ONCE, ROWS, units, AT_ONCE * ROWS, matrix=True)


@dataclass(frozen=True)
class Factor:
    """What the rows bring to a product: ``count`` numbers of each row.

    Attributes:
        rows: Where each row's numbers begin.
        count: How many there are.
        plain: Where the matrix that they are multiplied with begins, for a product with weights
            that are not packed.
        stride: From one line of that matrix to the next.
    """

    rows: Sequence[ir.Value]
    count: ir.Value
    plain: ir.Value | None = None
    stride: ir.Value | None = None


def emit_product(
    code: Code, factors: Sequence[Factor], panels: Sequence[ir.Value], vectors: int
) -> list[list[ir.Value]]:
    """Sums over k of row[k]·panel[k], for each row and vector; factors follow one another in k."""
    rows, total = len(factors[0].rows), len(panels) * vectors
    sums = [code.maths.number(0.0)] * (rows * total)
    # a fused product takes four clocks and two begin in each, so eight sums should be under way
    ways = 1 if len(sums) >= 8 else 2 if len(sums) >= 4 else 4
    for factor in factors:
        whole = code.builder.and_(factor.count, code.number(-ways))
        carried = sums + [code.maths.number(0.0)] * (len(sums) * (ways - 1))
        with code.loop(0, whole, ways, carried) as loop:
            for way in range(ways):
                part = loop.values[way * len(sums) : (way + 1) * len(sums)]
                place = code.sum(loop.index, way)
                loop.next += _add_products(code, factor.rows, panels, vectors, place, part)
        sums = loop.values[: len(sums)]
        for way in range(1, ways):
            more = loop.values[way * len(sums) : (way + 1) * len(sums)]
            sums = [code.builder.fadd(a, b) for a, b in zip(sums, more, strict=True)]
        if ways > 1:
            with code.loop(whole, factor.count, 1, sums) as rest:
                place = rest.index
                rest.next = _add_products(code, factor.rows, panels, vectors, place, rest.values)
            sums = rest.values
        length = code.product(factor.count, vectors * code.width)
        panels = [code.pointer_at(panel, length) for panel in panels]
    return [sums[row * total : (row + 1) * total] for row in range(rows)]


def _add_products(
    code: Code,
    rows: Sequence[ir.Value],
    panels: Sequence[ir.Value],
    vectors: int,
    place: ir.Value,
    sums: Sequence[ir.Value],
) -> list[ir.Value]:
    start = code.product(place, vectors * code.width)
    weights = [
        code.load(code.pointer_at(panel, start, vector * code.width))
        for panel in panels
        for vector in range(vectors)
    ]
    after = []
    for row, line in enumerate(rows):
        number = code.spread(code.pointer_at(line, place))
        for vector, weight in enumerate(weights):
            after.append(code.maths.fma(number, weight, sums[row * len(weights) + vector]))
    return after


def emit_plain_sums(
    code: Code, factors: Sequence[Factor], outputs: Sequence[ir.Value]
) -> list[ir.Value]:
    """The product of one row with some rows of plain matrices: one number for each output."""
    sums = [code.maths.number(0.0)] * len(outputs)
    for factor in factors:
        (row,) = factor.rows
        lines = [
            code.pointer_at(factor.plain, code.product(output, factor.stride)) for output in outputs
        ]
        whole = code.builder.and_(factor.count, code.number(-code.width))
        with code.loop(0, whole, code.width, sums) as loop:
            loop.next = _add_plain(code, row, lines, loop.index, loop.values, None)
        rest = code.mask(code.sum(factor.count, code.builder.neg(whole)))
        sums = _add_plain(code, row, lines, whole, loop.values, rest)
    return [code.total(value) for value in sums]


def _add_plain(
    code: Code,
    row: ir.Value,
    lines: Sequence[ir.Value],
    place: ir.Value,
    sums: Sequence[ir.Value],
    mask: ir.Value | None,
) -> list[ir.Value]:
    numbers = code.load(code.pointer_at(row, place), mask)
    return [
        code.maths.fma(numbers, code.load(code.pointer_at(line, place), mask), total)
        for line, total in zip(lines, sums, strict=True)
    ]
