"""Steps: which rows of the batch each step has, and where their states are."""

from dataclasses import dataclass

from llvmlite import ir

from engram.engine.cpu.codegen.code import Code
from engram.engine.cpu.kernels.arguments import Arguments


@dataclass(frozen=True)
class Step:
    """The rows of one step.

    Attributes:
        now: First packed row.
        before: First packed row of the step before.
        count_before: Rows of the step before; the rest starts from the initial state.
        high: Where this thread's rows end.
        odd: 1 in every other step, else 0.
    """

    now: ir.Value
    before: ir.Value
    count_before: ir.Value
    high: ir.Value
    odd: ir.Value


class Steps:
    """Reads the tables of a kernel's steps.

    Args:
        code: Of the kernel.
        arguments: Which hold the tables.
        high: Where this thread's rows end.
        resets: Whether rows may be marked to lose their state.
    """

    def __init__(self, code: Code, arguments: Arguments, high: ir.Value, resets: bool) -> None:
        self.code, self.arguments, self.high, self.resets = code, arguments, high, resets

    def at(self, index: ir.Value) -> Step:
        """Read the tables for a step in running order."""
        code = self.code
        now, count, before, count_before = (
            code.word_at(self.arguments.address(word), index)
            for word in ("now", "count", "before", "count_before")
        )
        odd = code.builder.and_(index, code.number(1))
        return Step(now, before, count_before, code.smaller(self.high, count), odd)

    def state_before(self, state: str, row: ir.Value, step: Step) -> ir.Value:
        """Where a row's state before a step begins: among the steps, or among the initial ones."""
        code, b, words = self.code, self.code.builder, self.arguments.words
        kept = b.icmp_signed("<", row, step.count_before)
        steps, initial = (
            self.arguments.address(f"{word}.{state}") for word in ("state", "initial")
        )
        base = b.select(kept, steps, initial)
        shift = b.select(kept, code.product(step.before, words[f"stride.{state}"]), code.number(0))
        return code.pointer_at(base, code.product(code.sum(shift, row), words["hidden"]))

    def keeps(self, step: Step, row: ir.Value) -> ir.Value | None:
        """Whether a row keeps its state; None where the kernel is not one for resets."""
        if not self.resets:
            return None
        b, byte = self.code.builder, ir.IntType(8)
        base, packed = self.arguments.address("keep"), self.code.sum(step.now, row)
        place = b.gep(base, [packed], source_etype=byte)
        return b.icmp_unsigned("!=", b.load(place, typ=byte), byte(0))

    def masked_by_reset(self, value: ir.Value, keeps: ir.Value | None) -> ir.Value:
        """Zero where the row does not keep its state."""
        if keeps is None:
            return value
        return self.code.builder.select(keeps, value, self.code.maths.number(0.0))
