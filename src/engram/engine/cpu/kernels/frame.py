"""Frame: what the kernels of both directions share: arguments, threads, steps and products.

A kernel runs a whole sequence. Rows of a batch stand in the order of falling length, so that the
rows of a step are the first ones; each step's rows follow one another in every buffer (*packed
rows*), with nothing in between.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from llvmlite import ir

from engram.engine.cpu.codegen.code import INDEX, POINTER, Code
from engram.engine.cpu.codegen.maths import Format
from engram.engine.cpu.codegen.matrix import PALETTE, Matrix
from engram.engine.cpu.codegen.target import Target
from engram.engine.cpu.kernels.arguments import COMMON, Arguments
from engram.engine.cpu.kernels.entries import emit_entries
from engram.engine.cpu.kernels.steps import Steps
from engram.engine.cpu.kernels.threads import Threads
from engram.engine.cpu.kernels.tile_products import TileProducts


class Frame:
    """One kernel while it is being written.

    Args:
        module: Where it goes.
        name: Of the kernel: ``name(table, thread, threads)``; and ``team_name(table)``, which each
            thread of a team calls.
        names: Its arguments after `COMMON`.
        format: Of the numbers.
        target: For which machine.
        resets: Whether rows may be marked to lose their state.

    Attributes:
        code: What the part is written with; `builder` is where it goes.
        matrix: The matrix unit.
        arguments: The table of arguments; `words` and `address` are its own.
        threads: This thread's share of the work.
        steps: The rows of each step.
        products: Products of rows with packed weights.
    """

    def __init__(
        self,
        module: ir.Module,
        name: str,
        names: Sequence[str],
        format: Format,
        target: Target,
        resets: bool,
    ) -> None:
        self.module, self.name, self.target = module, name, target
        self.names = [*COMMON, *names]
        kind = ir.FunctionType(ir.VoidType(), [POINTER, *[INDEX] * 4])
        function = ir.Function(module, kind, f"part_{name}")
        function.linkage = "internal"
        self.builder = ir.IRBuilder(function.append_basic_block())
        self.code = Code(self.builder, format, target)
        self.matrix = Matrix(self.code)
        table, part, low, high, count = function.args
        self.arguments = Arguments(self.code, table, self.names)
        self.words, self.address = self.arguments.words, self.arguments.address
        self.threads = Threads(self.code, self.arguments, part, low, high, count)
        self.steps = Steps(self.code, self.arguments, high, resets)
        self.products = TileProducts(self.code, self.matrix, self.arguments, self.threads)

    def finish(self) -> None:
        """End the part, and write the two entries that call it."""
        self.builder.ret_void()
        emit_entries(self.builder.function, self.name, self.names, self.code)

    @contextmanager
    def without_subnormals(self) -> Iterator[None]:
        """Numbers under the format's normal ones count as zero: they cost a hundred times more."""
        if not self.target.is_x86:
            yield
            return
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [POINTER])
        store = ir.Function(self.module, kind, "llvm.x86.sse.stmxcsr")
        load = ir.Function(self.module, kind, "llvm.x86.sse.ldmxcsr")
        was, now = self.code.room(word), self.code.room(word)
        self.builder.call(store, [was])
        flags = self.builder.or_(self.builder.load(was, typ=word), ir.Constant(word, 0x8040))
        self.builder.store(flags, now)
        self.builder.call(load, [now])
        yield
        self.builder.call(load, [was])

    @contextmanager
    def matrix_unit(self, used: bool) -> Iterator[None]:
        """Have the matrix unit ready inside the ``with``, if it is used."""
        if not used:
            yield
            return
        with self.matrix.ready(self.code.room(PALETTE)):
            yield

    def finish_streams(self) -> None:
        """Let other threads see what was written past the caches."""
        kind = ir.FunctionType(ir.VoidType(), [])
        self.builder.call(ir.Function(self.module, kind, "llvm.x86.sse.sfence"), [])
