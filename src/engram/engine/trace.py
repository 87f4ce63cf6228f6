"""Trace: run a cell's step on symbols, and keep what it does as an expression graph."""

import traceback
from typing import Any, NoReturn

from engram.cells.base import Cell, take_feed, take_step
from engram.cells.language import OPERATIONS
from engram.engine.graph import Graph
from engram.errors import ConfigError


class UntraceableError(ConfigError):
    """A step that cannot be written as a graph; the text says where and why."""


class Symbol:
    """A value of a step that is not computed yet."""

    __slots__ = ("graph", "index")

    def __init__(self, graph: Graph, index: int) -> None:
        self.graph = graph
        self.index = index

    def operate(self, name: str, *operands: Any) -> "Symbol":
        """Apply an operation of the cell language; called by `cells.language`."""
        indices = [self._index(operand) for operand in operands]
        return Symbol(self.graph, self.graph.apply(name, *indices))

    def _index(self, operand: Any) -> int:
        if isinstance(operand, Symbol):
            return operand.index
        if isinstance(operand, int | float) and not isinstance(operand, bool):
            return self.graph.constant(operand)
        raise UntraceableError(
            f"an operand is {type(operand).__name__}; steps compute with arguments and numbers"
        )

    def __add__(self, other: Any) -> "Symbol":
        return self.operate("add", self, other)

    def __radd__(self, other: Any) -> "Symbol":
        return self.operate("add", other, self)

    def __sub__(self, other: Any) -> "Symbol":
        return self.operate("sub", self, other)

    def __rsub__(self, other: Any) -> "Symbol":
        return self.operate("sub", other, self)

    def __mul__(self, other: Any) -> "Symbol":
        return self.operate("mul", self, other)

    def __rmul__(self, other: Any) -> "Symbol":
        return self.operate("mul", other, self)

    def __truediv__(self, other: Any) -> "Symbol":
        return self.operate("div", self, other)

    def __rtruediv__(self, other: Any) -> "Symbol":
        return self.operate("div", other, self)

    def __neg__(self) -> "Symbol":
        return self.operate("neg", self)

    def __bool__(self) -> NoReturn:
        raise UntraceableError(
            "it branches on a value, which is not known yet; use maximum and minimum, or weights"
        )

    def _refuse_comparison(self, other: Any) -> NoReturn:
        raise UntraceableError(
            "it compares values, which are not known yet; use maximum and minimum"
        )

    __lt__ = __le__ = __gt__ = __ge__ = _refuse_comparison

    def _refuse_item(self, *_: Any) -> NoReturn:
        raise UntraceableError(
            "it reads or writes a part of a value; a step sees whole gates and states"
        )

    __getitem__ = __setitem__ = _refuse_item

    def _refuse_in_place(self, _: Any) -> NoReturn:
        raise UntraceableError("it changes a value in place; write a = a + b for a += b")

    __iadd__ = __isub__ = __imul__ = __itruediv__ = _refuse_in_place


def trace(cell: Cell) -> Graph:
    """The expression graph of a cell's step.

    Inputs are ``x.<gate>``, ``r.<gate>``, ``s.<state>``, ``w.<weight>`` and ``m.<mask>``; outputs
    are the states after the step, by name, and for a cell with late gates what feeds them as
    ``feed.<state>``.

    Raises:
        UntraceableError: Where the step does what a graph cannot hold: it names the cell, the line
            of the step, and the way out.
        ConfigError: Where the step departs from what the cell declares.
    """
    graph = Graph()

    def symbols(kind: str, names: tuple[str, ...]) -> dict[str, Symbol]:
        return {name: Symbol(graph, graph.input(f"{kind}.{name}")) for name in names}

    x, r = symbols("x", cell.gates), symbols("r", cell.gates)
    s, w = symbols("s", cell.states), symbols("w", cell.weights) | symbols("m", cell.masks)
    try:
        early = {gate: value for gate, value in r.items() if gate not in cell.late}
        fed = take_feed(cell, x, early, s, w) if cell.late else {}
        after = take_step(cell, x, r, s, w)
    except UntraceableError as fault:
        raise UntraceableError(f"{_where(cell, fault)}: {fault}") from None
    except (TypeError, AttributeError) as fault:
        raise UntraceableError(
            f"{_where(cell, fault)}: {fault}; a step may use + - * / and "
            f"engram.cells.language: {', '.join(sorted(OPERATIONS))}"
        ) from None
    for name, value in (after | {f"feed.{state}": value for state, value in fed.items()}).items():
        graph.outputs[name] = (
            value.index if isinstance(value, Symbol) else Symbol(graph, 0)._index(value)
        )
    return graph


def _where(cell: Cell, fault: Exception) -> str:
    """Cell, method and line of a fault within its step or feed."""
    codes = {name: getattr(type(cell), name).__code__ for name in ("step", "feed")}
    found = [
        (name, frame.lineno)
        for frame in traceback.extract_tb(fault.__traceback__)
        for name, code in codes.items()
        if frame.filename == code.co_filename and frame.name == code.co_name
    ]
    if not found:
        return f"cell {type(cell).__name__}: step"
    method, line = found[-1]
    return f"cell {type(cell).__name__}: {method} line {line} of {codes[method].co_filename}"
