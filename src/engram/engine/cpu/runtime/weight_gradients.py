"""Weight gradients: products and sums over all rows, once the reverse has run on some of them."""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engram.engine.compiled.inputs import Inputs, Kept
from engram.engine.compiled.plan import Plan
from engram.engine.cpu.codegen.matrix import AT_ONCE, PARTS, TILE, depth
from engram.engine.cpu.kernels.products import VECTORS, ProductsKind
from engram.engine.cpu.runtime.buffers import buffer
from engram.engine.cpu.runtime.kernels import Call, Kernels, Words
from engram.engine.sequence import Weights

# Rows that are copied together: their parts for one tile stay in a core's first cache.
_ROOM = 128
# Bytes of sums up to which each thread has its own, for some of the rows.
_SUMS_BY_ROWS = 512 * 1024
# Columns from which on a matrix unit makes up for splitting and turning the gradients.
_COLUMNS_FOR_MATRIX = 160


def weight_gradients(
    inputs: Inputs, plan: Plan, products: "WeightProducts", totals: Tensor
) -> Weights:
    """The gradients of all weights, from the products and from the kernel's sums over rows."""
    weights = inputs.weights
    input_bias, recurrent_bias = products.input_bias, products.recurrent_bias
    if recurrent_bias is None and weights.recurrent_bias is not None:
        recurrent_bias = input_bias.clone()  # whoever is given it may change it in place
    return Weights(
        input=products.input,
        recurrent=products.recurrent,
        input_bias=None if weights.input_bias is None else input_bias,
        recurrent_bias=None if weights.recurrent_bias is None else recurrent_bias,
        units=dict(zip(plan.weights, totals.sum(0), strict=True)) if plan.weights else {},
    )


@dataclass(frozen=True)
class _Section:
    """What some columns of a weight matrix are multiplied with, and where their gradient goes.

    Attributes:
        rows: ``(N, size)``.
        initial: For a state, that before the first steps, ``(B, size)``.
        result: ``(G·H, size)``, lines of another tensor.
    """

    rows: Tensor
    initial: Tensor | None
    result: Tensor


class WeightProducts:
    """The gradients of the weight matrices, summed piece by piece over all rows.

    Args:
        kernels: Of the cell and dtype.
        inputs: What the forward pass started from.
        kept: What it left.
        words: The arguments that every kernel of this pass has.
        on_matrix_unit: Whether other products of this pass run there.

    Attributes:
        input: ``(G·H, I)``, the gradient of the input weights, once all pieces are there.
        recurrent: ``(G·H, R·H)``, that of the recurrent ones.
        input_bias: ``(G·H,)``, that of what is added to the gates' input part.
        recurrent_bias: The same of their recurrent part, or None where it is the same.
    """

    def __init__(
        self, kernels: Kernels, inputs: Inputs, kept: Kept, words: Words, *, on_matrix_unit: bool
    ) -> None:
        plan, hidden = kernels.plan, inputs.hidden
        matrix = on_matrix_unit and inputs.x.shape[1] + hidden >= _COLUMNS_FOR_MATRIX
        kernel = kernels.products(ProductsKind(inputs.keep is not None, matrix))
        self.input = torch.empty_like(inputs.weights.input)
        self.recurrent = torch.empty_like(inputs.weights.recurrent)
        x = [_Section(inputs.x, None, self.input)]
        states = [
            _Section(kept.states[name], inputs.initial[name], result)
            for name, result in zip(
                plan.recurrent, self.recurrent.split(hidden, dim=1), strict=False
            )
        ]
        given = {"input": x, "recurrent": states} if plan.apart else {"input": [*x, *states]}
        shape = len(plan.gates), hidden, kernels.width
        batch = inputs.schedule.batch
        self._sums = {
            part: _Sum(inputs.x, batch, sections, *shape, matrix)
            for part, sections in given.items()
        }
        self._calls = {
            part: Call(kernel, {**words, **sum.words, "parts": 0})
            for part, sum in self._sums.items()
        }
        self.input_bias = self._sums["input"].bias
        self.recurrent_bias = self._sums["recurrent"].bias if plan.apart else None

    def add(
        self, first: int, last: int, gradients: Mapping[str, int], *, begins: bool, ends: bool
    ) -> None:
        """Add a piece.

        Args:
            first, last: Its steps in running order.
            gradients: Addresses of the gradients of the gates' two parts, ``(N, G·H)`` each:
                ``input_gradient`` and ``recurrent_gradient``.
            begins, ends: Whether it is the first piece, and whether it is the last.
        """
        of_piece = {"first": first, "last": last, "begins": begins, "ends": ends}
        for part, call in self._calls.items():
            words = {"a": gradients[f"{part}_gradient"], **of_piece}
            call.run(words, self._sums[part].threads)


class _Sum:
    """A sum of products: the gradients of gates by some sections side by side.

    Args:
        x: For the format of numbers.
        batch: B.
        sections: The columns; there may be none, for the bias alone.
        blocks: Gates.
        hidden: H.
        width: Numbers in a vector.
        matrix: Whether it is made on a matrix unit.

    Attributes:
        bias: ``(G·H,)``, the sum of the gradients of gates by nothing.
        words: The arguments of the kernel that belong to it.
        threads: How many run it.
    """

    def __init__(
        self,
        x: Tensor,
        batch: int,
        sections: Sequence[_Section],
        blocks: int,
        hidden: int,
        width: int,
        matrix: bool,
    ) -> None:
        dtype = x.dtype
        table: list[int] = []
        columns = 0
        for section in sections:
            initial = 0 if section.initial is None else section.initial.data_ptr()
            size = section.rows.shape[1]
            table += [section.rows.data_ptr(), initial, size, columns]
            table += [section.result.data_ptr(), section.result.stride(0)]
            columns += -(-size // width)
        vectors = AT_ONCE if matrix else VECTORS
        columns = -(-columns // vectors) * vectors
        # lines a power of two apart would all want the same places of the first cache
        row = columns + vectors if columns * width * dtype.itemsize % 2048 == 0 else columns
        lines = blocks * -(-hidden // width)
        self.bias = x.new_empty(blocks * hidden)
        self.threads = min(torch.get_num_threads(), lines)
        size = lines * row * width**2 * dtype.itemsize
        by_rows = 1 < self.threads <= batch and size <= _SUMS_BY_ROWS
        own = self.threads if by_rows else 1
        # the kernel reads it as long as the words are there
        self._table = (ctypes.c_int64 * len(table))(*table)
        self.words: dict[str, Tensor | int] = {
            "blocks": blocks,
            "sections": ctypes.addressof(self._table),
            "section_count": len(sections),
            "columns": columns,
            "row": row,
            "room": _ROOM,
            "by_rows": by_rows,
            "copied_a": buffer((own * lines, _ROOM, width), dtype),
            "copied_z": buffer((self.threads, columns, _ROOM, width), dtype),
            "sums": buffer((own * lines * width, row * width), dtype),
            "bias_sums": x.new_empty(own * lines * width),
            "bias": self.bias,
        }
        if matrix:
            size = depth(_ROOM) * PARTS * TILE // dtype.itemsize
            self.words |= {
                "split_a": buffer((own * lines, size), dtype),
                "split_z": buffer((self.threads, columns, size), dtype),
            }
