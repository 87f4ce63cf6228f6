"""Sparse: run a cell with one gate and one state, whose recurrent weights are mostly zero.

Few rows run on the gathering kernel, many on the broadcasting one; each runs the whole sequence in
one call. Nothing here takes gradients: it is for weights that are not trained.
"""

import ctypes
from functools import cache, cached_property

import numpy as np
import scipy.sparse
import torch
from llvmlite import ir
from torch import Tensor

from engram.cells.base import Cell
from engram.engine.cpu import broadcasting, gathering
from engram.engine.cpu.buffers import buffer
from engram.engine.cpu.cache import cached
from engram.engine.cpu.frame import COMMON
from engram.engine.cpu.kernels import FORMATS, Kernel, Words, version
from engram.engine.cpu.machine_code import compile_module
from engram.engine.cpu.passes import GIVE_WAY
from engram.engine.cpu.target import host
from engram.engine.cpu.team import team
from engram.engine.sequence import Weights
from engram.engine.trace import trace

# Rows of each thread up to which the gathering kernel is the faster one.
_ROWS_TO_GATHER = 2
# Shares of weights that are not zero, up to which these kernels are faster than those for dense
# weights: for few rows, which are gathered for, and for many.
_DENSITY_TO_GATHER, _DENSITY_TO_BROADCAST = 0.2, 0.35
# Vectors of rows in a part, at most: the states of more do not stay in a core's second cache.
_MOST_VECTORS = 4
# Bytes of recurrent weights above which threads split the units of many rows, each to read its own,
# and not the rows: all of them do not stay in a core's second cache.
_BYTES_TO_SHARE = 1024 * 1024
# Bytes of the states of a block of columns: most of them stay in a core's first cache.
_BLOCK_BYTES = 64 * 1024
# Recurrent weights from which on threads are worth their waiting for each other at every step; and
# from which on they are worth waking for a single one.
_WEIGHTS_TO_SPLIT, _WEIGHTS_TO_WAKE = 16_000, 80_000
# Units up to which a unit's number takes 16 bits.
_UNITS_IN_16_BITS = 1 << 16
# Groups among which units are sorted by their number of weights, so that few zeros are added; and
# no further, so that each thread writes units that lie together.
_GROUPS_TO_SORT = 16


def worth_it(density: float, batch: int) -> bool:
    """Whether a cell runs faster here than on the kernels for dense weights.

    Args:
        density: Share of the recurrent weights that are not zero.
        batch: B.
    """
    return density <= (_DENSITY_TO_GATHER if _few(batch) else _DENSITY_TO_BROADCAST)


def _few(batch: int) -> bool:
    """Whether so many rows run on the gathering kernel."""
    return batch <= _ROWS_TO_GATHER * torch.get_num_threads()


class SparseCell:
    """A cell with sparse recurrent weights, ready to run.

    Args:
        cell: The equations; one gate and one state.
        weights: Of the layer, float32 or float64.
    """

    def __init__(self, cell: Cell, weights: Weights) -> None:
        self.cell = cell
        self.dtype, self.hidden = weights.recurrent.dtype, weights.recurrent.shape[0]
        self.width = host().vector_bits // FORMATS[self.dtype].bits
        self._into = weights.input
        self._bias = weights.recurrent.new_zeros(self.hidden)
        for bias in (weights.input_bias, weights.recurrent_bias):
            self._bias = self._bias if bias is None else self._bias + bias
        self._units = weights.units
        self._matrix = scipy.sparse.csr_array(weights.recurrent.numpy())
        self._index_bits = 16 if self.hidden <= _UNITS_IN_16_BITS else 32
        self._steps: dict[tuple[int, int], _Step] = {}
        self._by_vectors: dict[int, dict[str, Tensor | int]] = {}

    def run(self, x: Tensor, initial: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Run over a sequence.

        Args:
            x: ``(T, B, I)``.
            initial: ``(B, H)``.
            lengths: Steps of each row, ``(B,)`` int64, or None for all.

        Returns:
            The state after each step, ``(T, B, H)``; undefined past a row's length.
        """
        steps, batch, _ = x.shape
        states = buffer((steps, batch, self.hidden), self.dtype)
        if lengths is None:
            lengths = torch.full((batch,), steps)
        if not _few(batch):
            self._broadcast(x, states, initial, lengths)
            return states
        threads, words = self._gathering_words(batch, _WEIGHTS_TO_SPLIT)
        more: Words = {
            "input": x.contiguous(),
            "states": states,
            "initial": initial.contiguous(),
            "steps": steps,
            "lengths": lengths,
        }
        self._gathering.run({**words, **more}, threads)
        return states

    def step(self, x: Tensor, before: Tensor) -> Tensor:
        """Run one step, with as little around the kernel as can be where rows are few.

        Args:
            x: ``(B, I)``, contiguous.
            before: The states before the step, ``(B, H)``, contiguous. A batch of one may come
                without its axis.

        Returns:
            The states after it, shaped like those before.
        """
        key = before.numel() // self.hidden, torch.get_num_threads()
        if not _few(key[0]):
            return self.run(x[None], before)[0]
        step = self._steps.get(key)
        if step is None:
            words = self._gathering_words(key[0], _WEIGHTS_TO_WAKE)
            step = self._steps[key] = _Step(self._gathering, *words)
        return step.run(x, before)

    def _gathering_words(self, batch: int, to_split: int) -> tuple[int, Words]:
        """How many threads, and what the gathering kernel is given besides the sequence."""
        threads = torch.get_num_threads()
        by_rows = batch >= threads
        if self._matrix.nnz * batch < to_split:
            threads = 1
        elif not by_rows:
            threads = min(threads, -(-self.hidden // self.width))
        words = _common_words(self.hidden, batch, threads, by_rows)
        return threads, {**words, "features": self._into.shape[1], **self._gathered}

    def _broadcast(self, x: Tensor, states: Tensor, initial: Tensor, lengths: Tensor) -> None:
        batch, threads = x.shape[1], torch.get_num_threads()
        by_rows = self._matrix.data.nbytes <= _BYTES_TO_SHARE
        parts = -(-batch // (_MOST_VECTORS * self.width))
        if by_rows:
            parts = min(-(-parts // threads) * threads, batch)
        bounds = torch.tensor([batch * part // parts for part in range(parts + 1)])
        rows = bounds.diff()
        vectors = -(-int(rows.max()) // self.width)
        lanes = vectors * self.width
        # lanes that are too many have the last row of their part
        row_of_lane = bounds[:-1, None] + torch.arange(lanes)
        row_of_lane = torch.minimum(row_of_lane, bounds[1:, None] - 1)
        weights = self._broadcast_weights(vectors)
        padded = _rounded(self.hidden, self.width)
        own = buffer((parts, 2, padded, lanes), self.dtype)
        own[:, 0, : self.hidden] = initial[row_of_lane].transpose(1, 2)
        own[:, 0, self.hidden :] = 0.0
        inputs = _rounded(x.shape[2], broadcasting.ways(vectors))
        x = torch.nn.functional.pad(x, (0, inputs - x.shape[2]))
        words: Words = {
            **_common_words(self.hidden, batch, parts, by_rows),
            **weights,
            "states": states,
            "lanes": own,
            "input": x[:, row_of_lane].transpose(2, 3).contiguous(),
            "inputs": inputs,
            "parts_of_rows": parts,
            "steps": lengths[row_of_lane].amax(dim=1),
            "used": (rows + self.width - 1) // self.width,
            "row_of_lane": row_of_lane,
        }
        kernel = _kernel("broadcasting", self.cell, self.dtype, self._index_bits, vectors)
        kernel.run(words, min(threads, parts if by_rows else padded // self.width))

    @property
    def _gathering(self) -> Kernel:
        return _kernel("gathering", self.cell, self.dtype, self._index_bits, 0)

    @cached_property
    def _gathered(self) -> dict[str, Tensor]:
        """Weights as the gathering kernel reads them."""
        width = self.width
        counts = np.diff(self._matrix.indptr)
        window = _GROUPS_TO_SORT * width
        order = np.lexsort((-counts, np.arange(self.hidden) // window))
        units = np.pad(order, (0, -self.hidden % width), mode="edge")
        longest = counts[units].reshape(-1, width).max(axis=1)
        starts = _starts(longest, 1)
        matrix = self._matrix[units]
        own, inside = _places(matrix)
        places = (starts[own // width] + inside) * width + own % width
        into = self._into[units].unflatten(0, (-1, width))
        return {
            **self._placed(matrix, places, int(starts[-1]) * width),
            "starts": torch.from_numpy(starts),
            "units": torch.from_numpy(units.astype(np.uint32)),
            "input_weights": into.transpose(1, 2).contiguous(),
            "input_bias": self._bias[units],
            **{f"weight.{name}": weight[units] for name, weight in self._units.items()},
        }

    def _broadcast_weights(self, vectors: int) -> dict[str, Tensor | int]:
        """Weights as the broadcasting kernel reads them, for parts of so many vectors."""
        if vectors not in self._by_vectors:
            columns = _BLOCK_BYTES // (vectors * self.width * self.dtype.itemsize)
            self._by_vectors[vectors] = self._in_blocks(columns, broadcasting.ways(vectors))
        return self._by_vectors[vectors]

    def _in_blocks(self, columns: int, ways: int) -> dict[str, Tensor | int]:
        """Weights block by block of so many columns, and unit by unit in a block."""
        padded = _rounded(self.hidden, self.width)
        blocks = -(-self.hidden // columns)
        # one block below the other
        own, _ = _places(self._matrix)
        block, column = np.divmod(self._matrix.indices, columns)
        stacked = scipy.sparse.coo_array(
            (self._matrix.data, (block * padded + own, column)), shape=(blocks * padded, columns)
        ).tocsr()
        starts = _starts(np.diff(stacked.indptr), ways)
        own, inside = _places(stacked)
        stacked.indices += (own // padded * columns).astype(stacked.indices.dtype)
        more = padded - self.hidden
        inputs = self._into.shape[1]
        return {
            **self._placed(stacked, starts[own] + inside, int(starts[-1])),
            "starts": torch.from_numpy(starts),
            "column_blocks": blocks,
            "input_weights": torch.nn.functional.pad(
                self._into, (0, _rounded(inputs, ways) - inputs, 0, more)
            ),
            "input_bias": torch.nn.functional.pad(self._bias, (0, more)),
            **{
                f"weight.{name}": torch.nn.functional.pad(weight, (0, more))
                for name, weight in self._units.items()
            },
        }

    def _placed(
        self, matrix: scipy.sparse.csr_array, places: np.ndarray, size: int
    ) -> dict[str, Tensor]:
        """Weights and the units that they come from, at their places, and zeros elsewhere."""
        # one after the other in one buffer, which asks for large pages: they are read in order, at
        # every step, and in small pages they would stand in each other's way in the cache
        kind = {16: torch.uint16, 32: torch.uint32}[self._index_bits]
        both = buffer((size + -(-size * kind.itemsize // self.dtype.itemsize),), self.dtype)
        values, columns = both[:size].zero_(), both[size:].view(kind)[:size].zero_()
        values.numpy()[places], columns.numpy()[places] = matrix.data, matrix.indices
        return {"values": values, "columns": columns}


class _Step:
    """One step of the gathering kernel; its table of arguments is laid out once."""

    def __init__(self, kernel: Kernel, threads: int, words: Words) -> None:
        self._kernel, self._threads = kernel, threads
        ones = torch.ones(int(words["rows"]), dtype=torch.int64)
        self._words = {**words, "steps": 1, "lengths": ones}  # kept: the table holds addresses
        table = kernel.table(self._words)
        self._table, self._ready = type(table), bytes(table)
        # input, states and initial states stand in one row
        self._from = kernel.place("input")

    def run(self, x: Tensor, before: Tensor) -> Tensor:
        after = torch.empty_like(before)
        table = self._table.from_buffer_copy(self._ready)
        first = self._from
        table[first : first + 3] = [x.data_ptr(), after.data_ptr(), before.data_ptr()]
        self._kernel.run_table(ctypes.addressof(table), self._threads)
        return after


def _common_words(hidden: int, batch: int, threads: int, by_rows: bool) -> dict[str, Tensor | int]:
    current = team()
    return {
        "hidden": hidden,
        "rows": batch,
        "parts": threads if by_rows else 0,
        "bounds": torch.tensor([batch * part // threads for part in range(threads + 1)]),
        "give_way": GIVE_WAY,
        "thread_number": current.thread_number,
        "thread_count": current.thread_count,
    }


def _rounded(count: int, size: int) -> int:
    """Up to a multiple of a size."""
    return -(-count // size) * size


def _starts(counts: np.ndarray, ways: int) -> np.ndarray:
    """Where each of some lists begins, and the last one ends, when they are padded to ``ways``."""
    padded = -(-counts.astype(np.int64) // ways) * ways
    return np.concatenate([[0], np.cumsum(padded)])


def _places(matrix: scipy.sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """For each weight, its unit, and its place among the weights of this unit."""
    counts = np.diff(matrix.indptr)
    own = np.repeat(np.arange(len(counts)), counts)
    return own, np.arange(matrix.nnz) - matrix.indptr[own]


@cache
def _kernel(name: str, cell: Cell, dtype: torch.dtype, index_bits: int, vectors: int) -> Kernel:
    """A kernel of this machine, from the disk or compiled now."""
    graph, target, format = trace(cell), host(), FORMATS[dtype]

    def compile() -> bytes:
        module = ir.Module()
        common = module, graph, cell.weights, format, target, index_bits
        if vectors:
            broadcasting.emit_broadcasting(*common, vectors)
        else:
            gathering.emit_gathering(*common)
        return compile_module(module, target)

    step = repr((graph.nodes, graph.outputs, cell.weights))
    parts = [version(), name, step, repr(format), repr(target), f"{index_bits} {vectors}"]
    data, _ = cached("\n".join(parts), compile)
    arguments = broadcasting.broadcasting_arguments if vectors else gathering.gathering_arguments
    return Kernel(data, target, name, [*COMMON, *arguments(cell.weights)])
