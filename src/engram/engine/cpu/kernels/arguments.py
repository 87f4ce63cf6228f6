"""Arguments: the table of words that a kernel is called with.

Its sizes are arguments, so that one kernel serves every shape.
"""

from collections.abc import Sequence

from llvmlite import ir

from engram.engine.cpu.codegen.code import INDEX, POINTER, Code

# words of a kernel's table of arguments that every kernel has
COMMON = (
    "first",  # step in running order that the call begins with
    "last",  # and the one that it ends before
    "hidden",  # H
    "features",  # I
    "parts",  # of the batch; 0 to split the units instead
    "bounds",  # rows at which parts begin and end, (parts + 1,)
    "rows",  # B
    "now",  # first packed row of each step in running order, (T,)
    "count",  # rows of each step, (T,)
    "before",  # first packed row of the step before it, (T,)
    "count_before",  # rows of the step before it, (T,); 0 where there is none
    "keep",  # whether each packed row keeps its state, bytes; read by kernels for resets only
    "arrived",  # 0; threads that split units count themselves here
    "give_way",  # address of a function that lets another thread run
    "thread_number",  # address of the team's function
    "thread_count",  # address of the team's function
    "split_tiles",  # of rows, for which each thread has room in what is split for a matrix unit
)


class Arguments:
    """What a kernel reads from its table.

    Args:
        code: Of the kernel.
        table: Address of the table.
        names: Of its words, in order.

    Attributes:
        words: Each argument, by name.
    """

    def __init__(self, code: Code, table: ir.Value, names: Sequence[str]) -> None:
        self.code, self._table, self._names = code, table, names
        self.words = {word: code.word_at(table, place) for place, word in enumerate(names)}

    def address(self, word: str) -> ir.Value:
        """The address that an argument holds."""
        return self.code.builder.inttoptr(self.words[word], POINTER)

    def place(self, word: str) -> ir.Value:
        """The address of the argument itself, for one that changes while the kernel runs."""
        number = self.code.number(self._names.index(word))
        return self.code.builder.gep(self._table, [number], source_etype=INDEX)

    def line(self, table: str, number: ir.Value, size: int) -> list[ir.Value]:
        """The words of one line of the table that an argument names, of ``size`` words each."""
        first = self.code.product(number, size)
        return [
            self.code.word_at(self.address(table), self.code.sum(first, place))
            for place in range(size)
        ]

    def function(self, word: str, kind: ir.FunctionType) -> ir.Value:
        """The function whose address an argument holds."""
        return self.code.builder.inttoptr(self.words[word], kind.as_pointer())
