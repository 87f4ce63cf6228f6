"""Weight gradients: products and sums over all rows, once the reverse has run on some of them."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from engram.engine.cpu.buffers import buffer
from engram.engine.cpu.inputs import Inputs, Kept
from engram.engine.cpu.kernels import Kernels, Words
from engram.engine.cpu.plan import Plan
from engram.engine.cpu.products import VECTORS, ProductsKind
from engram.engine.sequence import Weights

# Rows that are copied together: their parts for one tile stay in a core's first cache.
_ROOM = 128


def weight_gradients(
    inputs: Inputs, plan: Plan, products: "WeightProducts", totals: Mapping[str, Tensor]
) -> Weights:
    """The gradients of all weights, from the products and from the kernel's sums over rows."""
    weights = inputs.weights
    sums = {name: value.sum(0) for name, value in totals.items()}
    recurrent_bias = sums["recurrent_bias_gradient" if plan.apart else "input_bias_gradient"]
    if not plan.apart:
        recurrent_bias = recurrent_bias.clone()  # whoever is given it may change it in place
    by_input, by_states = products.result()
    return Weights(
        input=by_input,
        recurrent=by_states,
        input_bias=None if weights.input_bias is None else sums["input_bias_gradient"],
        recurrent_bias=None if weights.recurrent_bias is None else recurrent_bias,
        units={name: sums[f"weight_gradient.{name}"] for name in plan.weights},
    )


Section = tuple[Tensor, Tensor | None]  # rows, and for a state its initial ones


class WeightProducts:
    """The gradients of the weight matrices, summed piece by piece over all rows.

    Args:
        kernels: Of the cell and dtype.
        inputs: What the forward pass started from.
        kept: What it left.
        words: The arguments that every kernel of this pass has.
    """

    def __init__(self, kernels: Kernels, inputs: Inputs, kept: Kept, words: Words) -> None:
        plan = kernels.plan
        self._kernel = kernels.products(ProductsKind(inputs.keep is not None))
        self._words = words
        x: list[Section] = [(inputs.x, None)]
        states: list[Section] = [
            (kept.states[name], inputs.initial[name]) for name in plan.recurrent
        ]
        given = {"input": x, "recurrent": states} if plan.apart else {"input": [*x, *states]}
        self._sums = {
            part: _Sum(sections, len(plan.gates), inputs.hidden, kernels.gates_tile.width)
            for part, sections in given.items()
            if sections
        }

    def add(self, first: int, last: int, gradients: Mapping[str, int]) -> None:
        """Add a piece.

        Args:
            first, last: Its steps in running order.
            gradients: Addresses of the gradients of the gates' two parts, ``(N, G·H)`` each:
                ``input_gradient`` and ``recurrent_gradient``.
        """
        for part, sum in self._sums.items():
            words = {"a": gradients[f"{part}_gradient"], "first": first, "last": last, "parts": 0}
            self._kernel.run({**self._words, **sum.words, **words}, sum.threads)

    def result(self) -> tuple[Tensor, Tensor]:
        """The gradients of input and recurrent weights."""
        by_input, *by_states = [part for sum in self._sums.values() for part in sum.parts()]
        if not by_states:
            return by_input, by_input.new_empty(len(by_input), 0)
        return by_input, by_states[0] if len(by_states) == 1 else torch.cat(by_states, dim=1)


class _Sum:
    """A sum of products: the gradients of gates by some sections side by side.

    Args:
        sections: Rows ``(N, size)`` of each, and for a state its initial ones ``(B, size)``.
        blocks: Gates.
        hidden: H.
        width: Numbers in a vector.

    Attributes:
        words: The arguments of the kernel that belong to it.
        threads: How many run it.
    """

    def __init__(
        self,
        sections: Sequence[Section],
        blocks: int,
        hidden: int,
        width: int,
    ) -> None:
        dtype = sections[0][0].dtype
        self._blocks, self._hidden, self._width = blocks, hidden, width
        self._sizes = [rows.shape[1] for rows, _ in sections]
        vectors = [-(-size // width) for size in self._sizes]
        self._firsts = [sum(vectors[:place]) for place in range(len(vectors))]
        columns = -(-sum(vectors) // VECTORS) * VECTORS
        lines = blocks * -(-hidden // width)
        self.threads = min(torch.get_num_threads(), lines)
        self._total = buffer((lines * width, columns * width), dtype).zero_()
        table = [
            (rows.data_ptr(), 0 if initial is None else initial.data_ptr(), size, first)
            for (rows, initial), size, first in zip(
                sections, self._sizes, self._firsts, strict=True
            )
        ]
        self.words: Words = {
            "blocks": blocks,
            "sections": torch.tensor(table),
            "section_count": len(sections),
            "columns": columns,
            "room": _ROOM,
            "copied_a": buffer((lines, _ROOM, width), dtype),
            "copied_z": buffer((self.threads, columns, _ROOM, width), dtype),
            "sums": self._total,
        }

    def parts(self) -> list[Tensor]:
        """``(blocks·H, size)`` for each section."""
        whole = self._total.view(self._blocks, -1, self._total.shape[1])[:, : self._hidden]
        found = []
        for size, first in zip(self._sizes, self._firsts, strict=True):
            start = first * self._width
            part = whole[:, :, start : start + size]
            found.append(part.reshape(self._blocks * self._hidden, size).contiguous())
        return found
