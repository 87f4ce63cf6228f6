"""Sparse: run a cell with one gate and one state, whose recurrent weights are mostly zero.

Few rows run on the gathering kernel, many on the broadcasting one; each runs the whole sequence in
one call. Nothing here takes gradients: it is for weights that are not trained.
"""

import ctypes
from functools import cached_property, lru_cache, partial

import scipy.sparse
import torch
from llvmlite import ir
from torch import Tensor

from engram.cells.base import Cell
from engram.engine.compiled.names import CELLS_KEPT
from engram.engine.cpu.codegen.machine_code import compile_module
from engram.engine.cpu.codegen.maths import FORMATS
from engram.engine.cpu.codegen.target import host
from engram.engine.cpu.kernels import broadcasting, gathering
from engram.engine.cpu.kernels.arguments import COMMON
from engram.engine.cpu.runtime.buffers import buffer
from engram.engine.cpu.runtime.cache import cached
from engram.engine.cpu.runtime.kernels import Kernel, Words, version
from engram.engine.cpu.runtime.passes import GIVE_WAY
from engram.engine.cpu.runtime.sparse_packing import in_column_blocks, in_groups
from engram.engine.cpu.runtime.team import team
from engram.engine.sequence import Weights
from engram.engine.trace import trace

# Rows of each thread up to which the gathering kernel is the faster one.
_ROWS_TO_GATHER = 2
# Shares of weights that are not zero, up to which these kernels are faster than those for dense
# weights: for few rows, which are gathered for, and for many.
_DENSITY_TO_GATHER, _DENSITY_TO_BROADCAST = 0.2, 0.35
# Vectors of rows in a part, at most: the states of more do not stay in a core's second cache.
_MOST_VECTORS = 4
# Bytes of recurrent weights that stay in a core's second cache. With more, threads split the units
# of many rows, each to read its own weights, and not the rows.
_CACHED_BYTES = 1024 * 1024
# Bytes of the states of a block of columns: most of them stay in a core's first cache.
_BLOCK_BYTES = 64 * 1024
# Recurrent weights from which on threads are worth their waiting for each other at every step; and
# from which on they are worth waking for a single one.
_WEIGHTS_TO_SPLIT, _WEIGHTS_TO_WAKE = 16_000, 80_000


def worth_it(density: float, batch: int) -> bool:
    """Whether a cell runs faster here than on the kernels for dense weights.

    Args:
        density: Share of the recurrent weights that are not zero.
        batch: B.
    """
    return density <= (_DENSITY_TO_GATHER if _few(batch) else _DENSITY_TO_BROADCAST)


def _few(batch: int) -> bool:
    """Whether this number of rows runs on the gathering kernel."""
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
        self._matrix.sort_indices()
        self._steps: dict[tuple[int, int], _Step] = {}
        self._by_vectors: dict[int, tuple[int, Words]] = {}

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
            "input": x.contiguous().resolve_neg(),
            "states": states,
            "initial": initial.contiguous().resolve_neg(),
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
        """How many threads, and what the gathering kernel takes in addition to the sequence."""
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
        by_rows = self._matrix.data.nbytes <= _CACHED_BYTES
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
        bits, weights = self._broadcast_weights(vectors)
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
        kernel = _broadcasting_kernel(self.cell, self.dtype, bits, vectors)
        kernel.run(words, min(threads, parts if by_rows else padded // self.width))

    @property
    def _gathering(self) -> Kernel:
        return _gathering_kernel(self.cell, self.dtype, _bits(self._gathered["columns"]))

    @cached_property
    def _gathered(self) -> dict[str, Tensor]:
        """Weights as the gathering kernel reads them."""
        packed = in_groups(self._matrix, self.width)
        into = self._into[packed.units].unflatten(0, (-1, self.width))
        return {
            "values": packed.values,
            "columns": packed.columns,
            "starts": packed.starts,
            "units": packed.units.to(torch.uint32),
            "input_weights": into.transpose(1, 2).contiguous(),
            "input_bias": self._bias[packed.units],
            **{f"weight.{name}": weight[packed.units] for name, weight in self._units.items()},
        }

    def _broadcast_weights(self, vectors: int) -> tuple[int, Words]:
        """Bits of a column, and weights as the broadcasting kernel reads them.

        Args:
            vectors: Of rows in a part.
        """
        if vectors not in self._by_vectors:
            columns = _BLOCK_BYTES // (vectors * self.width * self.dtype.itemsize)
            self._by_vectors[vectors] = self._in_blocks(columns, broadcasting.ways(vectors))
        return self._by_vectors[vectors]

    def _in_blocks(self, columns: int, ways: int) -> tuple[int, Words]:
        padded, inputs = _rounded(self.hidden, self.width), self._into.shape[1]
        packed = in_column_blocks(self._matrix, columns, padded, ways)
        more = padded - self.hidden
        pad = torch.nn.functional.pad
        return _bits(packed.columns), {
            "values": packed.values,
            "columns": packed.columns,
            "starts": packed.starts,
            "column_blocks": packed.blocks,
            "input_weights": pad(self._into, (0, _rounded(inputs, ways) - inputs, 0, more)),
            "input_bias": pad(self._bias, (0, more)),
            **{f"weight.{name}": pad(weight, (0, more)) for name, weight in self._units.items()},
        }


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


def _bits(numbers: Tensor) -> int:
    return numbers.dtype.itemsize * 8


def _rounded(count: int, size: int) -> int:
    """Up to a multiple of a size."""
    return -(-count // size) * size


@lru_cache(maxsize=CELLS_KEPT)
def _gathering_kernel(cell: Cell, dtype: torch.dtype, index_bits: int) -> Kernel:
    arguments = gathering.gathering_arguments(cell.weights)
    emit = partial(gathering.emit_gathering, index_bits=index_bits)
    return _kernel("gathering", arguments, cell, dtype, emit)


@lru_cache(maxsize=CELLS_KEPT)
def _broadcasting_kernel(cell: Cell, dtype: torch.dtype, index_bits: int, vectors: int) -> Kernel:
    arguments = broadcasting.broadcasting_arguments(cell.weights)
    emit = partial(broadcasting.emit_broadcasting, index_bits=index_bits, vectors=vectors)
    return _kernel("broadcasting", arguments, cell, dtype, emit)


def _kernel(
    name: str, arguments: list[str], cell: Cell, dtype: torch.dtype, emit: "partial[None]"
) -> Kernel:
    """A kernel for this machine, from the disk or compiled now."""
    graph, target, format = trace(cell), host(), FORMATS[dtype]

    def compile() -> bytes:
        module = ir.Module()
        emit(module, graph, cell.weights, format, target)
        return compile_module(module, target)

    step = repr((graph.nodes, graph.outputs, cell.weights))
    options = repr(sorted(emit.keywords.items()))
    key = "\n".join([version(), name, step, repr(format), repr(target), options])
    data, _ = cached(key, compile)
    return Kernel(data, target, name, [*COMMON, *arguments])
