"""Kernels: the compiled forward and backward code of one cell, for one format of numbers."""

import ctypes
import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import llvmlite
import torch
from llvmlite import ir
from torch import Tensor

from engram.engine.compiled.names import CELLS_KEPT, plan_of
from engram.engine.compiled.plan import Plan
from engram.engine.cpu.codegen.machine_code import MachineCode, compile_module
from engram.engine.cpu.codegen.maths import FORMATS
from engram.engine.cpu.codegen.target import Target, host
from engram.engine.cpu.codegen.tile import Tile, best_tile, matrix_tile, plain_tile
from engram.engine.cpu.kernels.arguments import COMMON
from engram.engine.cpu.kernels.backward import backward_arguments, emit_backward
from engram.engine.cpu.kernels.forward import ForwardKind, emit_forward, forward_arguments
from engram.engine.cpu.kernels.panels import ARGUMENTS as PANELS_ARGUMENTS
from engram.engine.cpu.kernels.panels import PanelsKind, emit_panels
from engram.engine.cpu.kernels.products import ARGUMENTS as PRODUCTS_ARGUMENTS
from engram.engine.cpu.kernels.products import ProductsKind, emit_products
from engram.engine.cpu.runtime.cache import cached
from engram.engine.cpu.runtime.team import team
from engram.engine.engine import Made
from engram.version import __version__

Words = Mapping[str, Tensor | int]


@dataclass(frozen=True)
class BackwardKind:
    """Which of its backward kernels a cell runs on.

    Attributes:
        resets: Whether rows may be marked to lose their state.
        to_input: Whether the kernel makes the product for the input's gradient itself.
        matrix: Whether products run on a matrix unit.
    """

    resets: bool
    to_input: bool
    matrix: bool = False


@dataclass(frozen=True)
class Tiles:
    """The shapes of a cell's products.

    Attributes:
        gates: Of those with one output for each gate.
        feedback: Of that with the transposed recurrent weights.
        input: Of that with the transposed input weights.
    """

    gates: Tile
    feedback: Tile
    input: Tile


Kind = ForwardKind | BackwardKind | ProductsKind | PanelsKind
_NAMES: dict[type[Kind], str] = {
    ForwardKind: "forward",
    BackwardKind: "backward",
    ProductsKind: "products",
    PanelsKind: "panels",
}


class Kernel:
    """One compiled kernel.

    Args:
        data: Its object file.
        target: For which machine.
        name: ``"forward"``, ``"backward"``, ``"products"`` or ``"panels"``.
        arguments: Names of its arguments, in order.
    """

    def __init__(self, data: bytes, target: Target, name: str, arguments: list[str]) -> None:
        self._code = MachineCode(data, target)
        self._names = arguments
        self._places = {name: place for place, name in enumerate(arguments)}
        signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        self.alone = signature(self._code.address(name))
        self._team_entry = self._code.address(f"team_{name}")
        self._table = ctypes.c_int64 * len(arguments)

    def run(self, words: Words, threads: int) -> None:
        """Run on ``threads`` threads; tensors among the words stand for their addresses."""
        table = self.table(words)
        self.run_table(ctypes.addressof(table), threads)

    def table(self, words: Words) -> ctypes.Array[ctypes.c_int64]:
        """The table of arguments; words that are not given are 0."""
        table = self._table()
        for name, value in words.items():
            place = self._places.get(name)
            if place is not None:
                table[place] = value.data_ptr() if isinstance(value, Tensor) else value
        return table

    def run_table(self, address: int, threads: int) -> None:
        """Run on a table that is ready."""
        team().run(threads, self.alone, self._team_entry, address)

    def place(self, name: str) -> int:
        """Where an argument stands in the table."""
        return self._places[name]


class Call:
    """A call of a kernel that is made several times with few differences.

    Args:
        kernel: Which.
        words: The arguments that are always the same.
    """

    def __init__(self, kernel: Kernel, words: Words) -> None:
        self._kernel, self._words = kernel, words  # tensors stay as long as their addresses
        self._ready = kernel.table(words)

    def run(self, words: Mapping[str, int], threads: int) -> None:
        """Run on ``threads`` threads, with these words appended."""
        table = type(self._ready).from_buffer_copy(self._ready)
        for name, value in words.items():
            table[self._kernel.place(name)] = value
        self._kernel.run_table(ctypes.addressof(table), threads)


class Kernels:
    """All kernels of a cell for one dtype; each is made when it is first asked for.

    Args:
        plan: What they compute.
        dtype: float32 or float64.
        target: For which machine.

    Attributes:
        width: Numbers in a vector.
        has_matrix_unit: Whether products may run on one; see `matrix`.
        plain_tile: Of products for single steps.
        made: How each kernel came to be.
    """

    def __init__(self, plan: Plan, dtype: torch.dtype, target: Target) -> None:
        self.plan, self.dtype, self.target = plan, dtype, target
        self.format = FORMATS[dtype]
        self.width = target.vector_bits // self.format.bits
        self.has_matrix_unit = target.matrix and dtype == torch.float32 and self.width == 16
        self.plain_tile = plain_tile(len(plan.gates), self.width)
        blocks = len(plan.gates), max(len(plan.recurrent), 1), 1
        self._tiles = {
            False: Tiles(*(best_tile(each, self.width, target.registers) for each in blocks)),
            True: Tiles(*(matrix_tile(each, self.width) for each in blocks)),
        }
        self.made: list[Made] = []
        self._lock = threading.Lock()
        self._kernels: dict[Kind, Kernel] = {}

    def forward(self, kind: ForwardKind) -> Kernel:
        """The forward kernel of this kind."""
        return self._kernels.get(kind) or self._make(kind)

    def backward(self, kind: BackwardKind) -> Kernel:
        """The backward kernel of this kind."""
        return self._kernels.get(kind) or self._make(kind)

    def products(self, kind: ProductsKind) -> Kernel:
        """The kernel for the gradients of weight matrices."""
        return self._kernels.get(kind) or self._make(kind)

    def panels(self, *, matrix: bool) -> Kernel:
        """The kernel that packs weights."""
        kind = PanelsKind(matrix)
        return self._kernels.get(kind) or self._make(kind)

    def tiles(self, *, matrix: bool) -> Tiles:
        """The shapes of products, in vectors or on the matrix unit."""
        return self._tiles[matrix]

    def _make(self, kind: Kind) -> Kernel:
        with self._lock:
            if kind not in self._kernels:
                started = time.perf_counter()
                shared = not isinstance(kind, ForwardKind | BackwardKind)  # by all cells
                equations = "" if shared else self.plan.key
                key = "\n".join(
                    [version(), equations, repr(self.format), repr(self.target), repr(kind)]
                )
                data, from_disk = cached(key, lambda: self._compile(kind))
                name = _NAMES[type(kind)]
                arguments = [*COMMON, *self._arguments(kind)]
                self._kernels[kind] = Kernel(data, self.target, name, arguments)
                seconds = time.perf_counter() - started
                self.made.append(Made(_described(name, kind), seconds, from_disk, len(data)))
            return self._kernels[kind]

    def _arguments(self, kind: Kind) -> Sequence[str]:
        """The arguments of its kernel after the common ones."""
        if isinstance(kind, ForwardKind):
            return forward_arguments(self.plan)
        if isinstance(kind, BackwardKind):
            return backward_arguments(self.plan)
        return PRODUCTS_ARGUMENTS if isinstance(kind, ProductsKind) else PANELS_ARGUMENTS

    def _compile(self, kind: Kind) -> bytes:
        module = ir.Module()
        if isinstance(kind, ForwardKind):
            tile = self.plain_tile if kind.plain else self.tiles(matrix=kind.matrix).gates
            emit_forward(module, self.plan, self.format, self.target, tile, kind)
        elif isinstance(kind, BackwardKind):
            tiles = self.tiles(matrix=kind.matrix)
            emit_backward(
                module,
                self.plan,
                self.format,
                self.target,
                (tiles.input, tiles.feedback),
                resets=kind.resets,
                to_input=kind.to_input,
            )
        elif isinstance(kind, ProductsKind):
            emit_products(module, self.format, self.target, kind)
        else:
            emit_panels(module, self.format, self.target, kind)
        return compile_module(module, self.target)


def _described(name: str, kind: Kind) -> str:
    """``"forward, keeping, from input"``."""
    true = [flag.replace("_", " ") for flag, value in vars(kind).items() if value]
    return ", ".join([name, *true])


@lru_cache(maxsize=CELLS_KEPT)
def kernels_for(name: str, dtype: torch.dtype) -> Kernels:
    """The kernels on this machine of the cell of a name, shared by all layers that run it."""
    return Kernels(plan_of(name), dtype, host())


@cache
def version() -> str:
    """Of all that writes code: a kernel on disk that another version wrote is not taken."""
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return f"{__version__} {llvmlite.__version__} {digest}"
