"""Entries: the functions that a kernel is called by; they call its part for what a thread works on.

``name(table, thread, threads)``, and ``team_name(table)``, which each thread of a team calls.
"""

from collections.abc import Sequence

from llvmlite import ir

from engram.engine.cpu.codegen.code import INDEX, POINTER, Code


def emit_entries(part: ir.Function, name: str, names: Sequence[str], code: Code) -> None:
    """Write both entries of a kernel.

    Args:
        part: ``part(table, number, low, high, threads)``, which they call; they go to its module.
        name: Of the kernel.
        names: Its arguments, in order.
        code: What the part was written with.
    """
    entry = _Entry(part.module, name, [POINTER, INDEX, INDEX], names, code)
    entry.call_for_each_part(part)
    team = _Entry(part.module, f"team_{name}", [POINTER], names, code)
    team.ask_and_call(entry.function)


class _Entry:
    """A function that reads the table of arguments itself, each where it is needed."""

    def __init__(
        self,
        module: ir.Module,
        name: str,
        takes: Sequence[ir.Type],
        names: Sequence[str],
        code: Code,
    ) -> None:
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), takes), name)
        self.builder = ir.IRBuilder(self.function.append_basic_block())
        self.code = Code(self.builder, code.format, code.target)
        self.table, self.names = self.function.args[0], names

    def _word(self, name: str) -> ir.Value:
        return self.code.word_at(self.table, self.names.index(name))

    def call_for_each_part(self, part: ir.Function) -> None:
        """What this thread works on, by rows or by units."""
        builder, code = self.builder, self.code
        table, thread, threads = self.function.args
        parts, one = self._word("parts"), code.number(1)
        with builder.if_else(builder.icmp_signed(">", parts, code.number(0))) as (
            by_rows,
            by_units,
        ):
            with by_rows:
                bounds = builder.inttoptr(self._word("bounds"), POINTER)
                with code.loop(thread, parts, threads) as own:
                    low = code.word_at(bounds, own.index)
                    high = code.word_at(bounds, code.sum(own.index, 1))
                    builder.call(part, [table, own.index, low, high, one])
            with by_units:
                builder.call(part, [table, thread, code.number(0), self._word("rows"), threads])
        builder.ret_void()

    def ask_and_call(self, entry: ir.Function) -> None:
        """Ask the team which thread this is, and call the other entry."""
        builder = self.builder
        ask = ir.FunctionType(ir.IntType(32), []).as_pointer()
        thread, threads = (
            builder.sext(builder.call(builder.inttoptr(self._word(name), ask), []), INDEX)
            for name in ("thread_number", "thread_count")
        )
        builder.call(entry, [self.table, thread, threads])
        builder.ret_void()
