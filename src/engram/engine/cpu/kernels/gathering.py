"""Gathering: a cell with sparse recurrent weights over a sequence, units in vectors.

Units are cut into groups of one vector. A group holds, for k = 0, 1, …, the k-th weight of each of
its units and the unit whose state it multiplies (sliced ELLPACK; Monakov, Lokhmotov, Avetisyan
2010). These states are gathered from where the step before left them.

Weights are read at every step, so they should be small. A unit's column takes one byte where it is
written as its distance from the one before: it then stays in a core's cache with its weight.
"""

from collections.abc import Sequence

from llvmlite import ir

from engram.engine.cpu.codegen.maths import Format
from engram.engine.cpu.codegen.nodes import emit_step
from engram.engine.cpu.codegen.target import Target
from engram.engine.cpu.codegen.tile import Factor, emit_product
from engram.engine.cpu.kernels.frame import Frame
from engram.engine.graph import Graph


def gathering_arguments(weights: Sequence[str]) -> list[str]:
    """The arguments of the kernel after the common ones.

    ``states``: ``(T, B, H)``, written; ``initial``: ``(B, H)``; ``input``: ``(T, B, I)``;
    ``steps``: T; ``lengths``: ``(B,)``, steps of each row. ``units``: ``(groups, width)``; a group
    that is not full has its last unit several times. In the same order: ``input_weights``
    ``(groups, I, width)``, ``input_bias`` and ``weight.<w>`` ``(groups, width)``. ``starts``:
    ``(groups + 1,)``, where the recurrent weights of each group begin in ``values`` and
    ``columns``, ``(k, width)``; columns of 8 bits are distances from the one before, the first of
    each unit from 0.
    """
    return [
        "input",
        "states",
        "initial",
        "steps",
        "lengths",
        "units",
        "input_weights",
        "input_bias",
        "starts",
        "values",
        "columns",
        *(f"weight.{name}" for name in weights),
    ]


def emit_gathering(
    module: ir.Module,
    graph: Graph,
    weights: Sequence[str],
    format: Format,
    target: Target,
    index_bits: int,
) -> None:
    """Write the kernel ``gathering``.

    Args:
        module: Where it goes.
        graph: A step of a cell with one gate and one state.
        weights: Names of the cell's per-unit weights.
        format: Of the numbers.
        target: For which machine.
        index_bits: Of the number of a unit in ``columns``, 16 or 32; or 8 of its distance.
    """
    frame = Frame(module, "gathering", gathering_arguments(weights), format, target, False)
    _Gathering(frame, graph, index_bits).emit()
    frame.finish()


class _Gathering:
    """The kernel while it is being written."""

    def __init__(self, frame: Frame, graph: Graph, index_bits: int) -> None:
        self.frame, self.graph, self.index_bits = frame, graph, index_bits
        self.code, self.words = frame.code, frame.words

    def emit(self) -> None:
        frame, code, words, b = self.frame, self.code, self.words, self.frame.builder
        size = code.product(words["rows"], words["hidden"])
        groups = b.sdiv(code.sum(words["hidden"], code.width - 1), code.number(code.width))
        share = frame.threads.share(groups)
        with frame.without_subnormals(), code.loop(0, words["steps"]) as step:
            now = code.pointer_at(frame.address("states"), code.product(step.index, size))
            first = b.icmp_signed("==", step.index, code.number(0))
            left = code.pointer_at(now, b.neg(size))
            before = b.select(first, frame.address("initial"), left)
            odd = b.trunc(step.index, ir.IntType(1))
            with code.loop(frame.threads.low, frame.threads.high) as row:
                length = code.word_at(frame.address("lengths"), row.index)
                with b.if_then(b.icmp_signed("<", step.index, length)):
                    place = code.product(row.index, words["hidden"])
                    line = code.sum(code.product(step.index, words["rows"]), row.index)
                    line = code.product(line, words["features"])
                    self.input = code.pointer_at(frame.address("input"), line)
                    self.before = code.pointer_at(before, place)
                    self.now = code.pointer_at(now, place)
                    self._emit_row(share, odd)
            with b.if_then(b.icmp_signed("<", code.sum(step.index, 1), words["steps"])):
                frame.threads.wait_for_all(step.index)

    def _emit_row(self, share: tuple[ir.Value, ir.Value], odd: ir.Value) -> None:
        """One step of one row: this thread's groups of units.

        Every other step goes through them from the last to the first: where not all weights stay in
        a core's cache, those that were read last are still there.
        """
        code, frame, b = self.code, self.frame, self.frame.builder
        with code.loop(*share) as loop:
            mirrored = code.sum(*share, -1, b.neg(loop.index))
            group = b.select(odd, mirrored, loop.index)
            first = code.product(group, code.width)
            units = code.integers(frame.address("units"), first, 32)
            brought, sums = self._input_sums(group), self._sums(group)

            def given(kind: str, name: str) -> ir.Value:
                if kind == "w":
                    line = frame.address(f"weight.{name}")
                    return code.load(code.pointer_at(line, first))
                if kind == "s":
                    return code.gather(self.before, units)
                return brought if kind == "x" else sums

            (after,) = emit_step(code.maths, self.graph, given).values()
            code.scatter(after, self.now, units)

    def _input_sums(self, group: ir.Value) -> ir.Value:
        """What the input brings to the units of a group."""
        code, frame, features = self.code, self.frame, self.words["features"]
        place = code.product(group, code.width)
        panel = code.pointer_at(frame.address("input_weights"), code.product(place, features))
        ((sums,),) = emit_product(code, [Factor([self.input], features)], [panel], 1)
        bias = code.load(code.pointer_at(frame.address("input_bias"), place))
        return frame.builder.fadd(sums, bias)

    def _sums(self, group: ir.Value) -> ir.Value:
        """What the recurrent weights bring to the units of a group."""
        code, frame = self.code, self.frame
        first, last = (
            code.word_at(frame.address("starts"), place) for place in (group, code.sum(group, 1))
        )
        zeros = code.splat(ir.Constant(ir.IntType(32), 0))
        # one sum at a time: a gather takes longer than a sum waits for the one before it
        with code.loop(first, last, 1, [code.maths.number(0.0), zeros]) as loop:
            total, column = loop.values
            place = code.product(loop.index, code.width)
            line = code.pointer_at(frame.address("values"), place)
            read = code.integers(frame.address("columns"), place, self.index_bits)
            column = frame.builder.add(column, read) if self.index_bits == 8 else read
            gathered = code.gather(self.before, column)
            loop.next = [code.maths.fma(code.load(line), gathered, total), column]
        return loop.values[0]
