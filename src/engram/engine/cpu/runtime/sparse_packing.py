"""Sparse packing: weights that are mostly zero, in the orders in which kernels read them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from engram.engine.cpu.runtime.buffers import buffer

# Units up to which a unit's number takes 16 bits.
_UNITS_IN_16_BITS = 1 << 16
# The largest distance between two columns of a unit that takes a byte.
_FARTHEST = 255
# Share of weights up to which zeros are added so that distances take a byte.
_MORE_FOR_BYTES = 0.02
# Groups among which units are sorted by their number of weights, so that few zeros are added; and
# no further, so that each thread writes units that lie together.
_GROUPS_TO_SORT = 16


@dataclass(frozen=True)
class Packed:
    """Weights in the order of a kernel.

    Attributes:
        values: The weights, with zeros between them.
        columns: The unit from which each comes, or its distance from the one before.
        starts: Where the weights of each group or unit begin, and the last ones end.
        units: The units in the order of their groups.
        blocks: How many blocks of columns.
    """

    values: Tensor
    columns: Tensor
    starts: Tensor
    units: Tensor
    blocks: int


@dataclass(frozen=True)
class _Rows:
    """Some numbered weights for each row, one row after the other."""

    weights: np.ndarray
    numbers: np.ndarray
    starts: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        return np.diff(self.starts)

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """For each weight, its row, and its place in the row."""
        row = np.repeat(np.arange(len(self.counts)), self.counts)
        return row, np.arange(len(self.weights)) - self.starts[row]

    def taken(self, order: np.ndarray) -> Self:
        """Rows in another order; each may come several times."""
        starts = starts_of(self.counts[order])
        shift = np.repeat(self.starts[order] - starts[:-1], self.counts[order])
        source = np.arange(starts[-1]) + shift
        return type(self)(self.weights[source], self.numbers[source], starts)


def in_groups(matrix: scipy.sparse.csr_array, width: int) -> Packed:
    """For the gathering kernel: groups of units, as wide as a vector.

    Args:
        matrix: ``(H, H)``, its indices sorted.
        width: Of a vector.
    """
    rows = _Rows(matrix.data, matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64))
    kind = _number_type(matrix.shape[0])
    by_distance = _by_distance(rows)
    if len(by_distance.weights) <= (1.0 + _MORE_FOR_BYTES) * len(rows.weights):
        rows, kind = by_distance, torch.uint8
    window = np.arange(len(rows.counts)) // (_GROUPS_TO_SORT * width)
    order = np.lexsort((-rows.counts, window))
    units = np.pad(order, (0, -len(order) % width), mode="edge")
    rows = rows.taken(units)
    starts = starts_of(rows.counts.reshape(-1, width).max(axis=1))
    row, inside = rows.places()
    places = (starts[row // width] + inside) * width + row % width
    values, columns = _placed(rows, places, int(starts[-1]) * width, kind)
    return Packed(values, columns, torch.from_numpy(starts), torch.from_numpy(units), 1)


def in_column_blocks(
    matrix: scipy.sparse.csr_array, columns: int, padded: int, ways: int
) -> Packed:
    """For the broadcasting kernel: block by block of columns, and unit by unit in a block.

    Args:
        matrix: ``(H, H)``.
        columns: Of a block.
        padded: H, rounded up to whole vectors.
        ways: The weights of a unit in a block are padded to a multiple of this.
    """
    blocks = -(-matrix.shape[1] // columns)
    whole = scipy.sparse.coo_array(matrix)
    row, column = whole.coords
    block = column // columns * padded + row
    order = np.lexsort((column, block))
    starts = starts_of(np.bincount(block, minlength=blocks * padded))
    rows = _Rows(whole.data[order], column[order], starts)
    starts = starts_of(-(-rows.counts // ways) * ways)
    row, inside = rows.places()
    kind = _number_type(matrix.shape[0])
    values, numbers = _placed(rows, starts[row] + inside, int(starts[-1]), kind)
    return Packed(values, numbers, torch.from_numpy(starts), torch.arange(padded), blocks)


def starts_of(counts: np.ndarray) -> np.ndarray:
    """Where each of some lists begins, one after the other, and the last one ends."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def _by_distance(rows: _Rows) -> _Rows:
    """Columns as distances; a long one is gone in several, all but the last with a weight of 0."""
    _, inside = rows.places()
    distances = np.diff(rows.numbers, prepend=0)
    distances[inside == 0] = rows.numbers[inside == 0]
    more = np.maximum(distances - 1, 0) // _FARTHEST
    before = starts_of(more)
    places = np.arange(len(more)) + before[1:]
    total = len(more) + int(before[-1])
    weights, numbers = np.zeros(total, rows.weights.dtype), np.full(total, _FARTHEST)
    weights[places], numbers[places] = rows.weights, distances - _FARTHEST * more
    return _Rows(weights, numbers, rows.starts + before[rows.starts])


def _number_type(units: int) -> torch.dtype:
    """Of a unit's number."""
    return torch.uint16 if units <= _UNITS_IN_16_BITS else torch.uint32


def _placed(rows: _Rows, places: np.ndarray, size: int, kind: torch.dtype) -> tuple[Tensor, Tensor]:
    """Weights and their numbers at their places, and zeros elsewhere.

    They lie in one buffer, which asks for large pages: both are read in order at every step, and in
    small pages they would stand in each other's way in the cache.
    """
    dtype = torch.from_numpy(rows.weights[:0]).dtype
    both = buffer((size + -(-size * kind.itemsize // dtype.itemsize),), dtype)
    values, numbers = both[:size].zero_(), both[size:].view(kind)[:size].zero_()
    values.numpy()[places], numbers.numpy()[places] = rows.weights, rows.numbers
    return values, numbers
