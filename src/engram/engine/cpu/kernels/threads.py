"""Threads: how the work of a kernel is split over them, and where they wait for each other.

By rows: each part of the batch runs by itself from the first step to the last. By units: all rows,
each thread its groups of units; threads wait for each other once a step, or twice where a cell
looks at all units of a row: then products are split by units, and all else by rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from llvmlite import ir

from engram.engine.cpu.codegen.code import INDEX, Code
from engram.engine.cpu.kernels.arguments import Arguments
from engram.engine.cpu.kernels.steps import Step

_PATIENCE = 4000  # rounds of waiting before another thread is let run


class Threads:
    """This thread's share of a kernel's work.

    Args:
        code: Of the kernel.
        arguments: Its arguments.
        part: Number of this part of the batch, or of this thread where units are split.
        low, high: Rows that this thread works on.
        count: How many wait for each other at each step: 1 where each runs by itself.
    """

    def __init__(
        self,
        code: Code,
        arguments: Arguments,
        part: ir.Value,
        low: ir.Value,
        high: ir.Value,
        count: ir.Value,
    ) -> None:
        self.code, self.arguments = code, arguments
        self.part, self.low, self.high, self.count = part, low, high, count

    def share(self, count: ir.Value) -> tuple[ir.Value, ir.Value]:
        """This thread's part of ``count`` groups: all of them, unless units are split."""
        b, code = self.code.builder, self.code
        alone = b.icmp_signed("==", self.count, code.number(1))
        thread = b.select(alone, code.number(0), self.part)
        first = b.sdiv(code.product(count, thread), self.count)
        last = b.sdiv(code.product(count, code.sum(thread, 1)), self.count)
        return first, last

    def share_rows(self, step: Step) -> tuple[ir.Value, ir.Value]:
        """Rows of a step that this thread works on where each row stays whole."""
        count = self.code.sum(step.high, self.code.builder.neg(self.low))
        first, last = self.share(count)
        return self.code.sum(self.low, first), self.code.sum(self.low, last)

    @contextmanager
    def each_block(self, step: Step, most: int) -> Iterator[tuple[ir.Value, ir.Value, ir.Value]]:
        """Write the loop over blocks of this thread's rows, about equally large.

        Its body is what is emitted inside the ``with``, which gets the block's number, its first
        row and how many it has.
        """
        code, b = self.code, self.code.builder
        rows = code.sum(step.high, b.neg(self.low))
        some = b.icmp_signed(">", rows, code.number(0))
        blocks = b.sdiv(code.sum(rows, most - 1), code.number(most))
        divisor = b.select(some, blocks, code.number(1))
        least, larger = b.sdiv(rows, divisor), b.srem(rows, divisor)
        blocks = b.select(some, blocks, code.number(0))
        with code.loop(0, blocks) as block:
            more = b.zext(b.icmp_signed("<", block.index, larger), INDEX)
            start = code.sum(
                self.low, code.product(block.index, least), code.smaller(block.index, larger)
            )
            yield block.index, start, code.sum(least, more)

    def wait_for_all(self, round: ir.Value) -> None:
        """Where units are split: wait until every thread has arrived in this round."""
        b, code = self.code.builder, self.code
        with b.if_then(b.icmp_signed(">", self.count, code.number(1))):
            arrived = self.arguments.place("arrived")
            b.atomic_rmw("add", arrived, code.number(1), "acq_rel")
            goal = code.product(code.sum(round, 1), self.count)
            before = b.block
            head, patient, other, after = (b.append_basic_block() for _ in range(4))
            b.branch(head)
            b.position_at_end(head)
            waited = b.phi(INDEX)
            waited.add_incoming(code.number(0), before)
            seen = b.load_atomic(arrived, "acquire", 8, typ=INDEX)
            b.cbranch(b.icmp_signed("<", seen, goal), patient, after)
            b.position_at_end(patient)
            longer = code.sum(waited, 1)
            waited.add_incoming(longer, b.block)
            self._pause()
            b.cbranch(b.icmp_signed("<", waited, code.number(_PATIENCE)), head, other)
            b.position_at_end(other)
            give_way = ir.FunctionType(ir.IntType(32), [])
            b.call(self.arguments.function("give_way", give_way), [])
            waited.add_incoming(longer, b.block)
            b.branch(head)
            b.position_at_end(after)

    def _pause(self) -> None:
        """Tell the core that this thread only waits."""
        if self.code.target.is_x86:
            name = "llvm.x86.sse2.pause"
            b = self.code.builder
            known = b.module.globals.get(name)
            kind = ir.FunctionType(ir.VoidType(), [])
            b.call(known or ir.Function(b.module, kind, name), [])
