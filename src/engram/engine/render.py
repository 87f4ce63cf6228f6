"""Render: a step's graph as LaTeX equations, and as nodes and edges for a diagram."""

from dataclasses import dataclass

from engram.cells.base import Cell
from engram.engine.graph import Graph
from engram.engine.trace import trace

_FUNCTIONS = {
    "sigmoid": r"\sigma",
    "tanh": r"\tanh",
    "relu": r"\mathrm{relu}",
    "sqrt": r"\mathrm{sqrt}",
    "sum": r"\mathrm{sum}",
    "mean": r"\mathrm{mean}",
    "max": r"\mathrm{max}",
    "exp": r"\exp",
    "maximum": r"\max",
    "minimum": r"\min",
}
_SUM, _PRODUCT, _ATOM = 1, 2, 3


@dataclass(frozen=True)
class Diagram:
    """A step as a picture's raw material.

    Attributes:
        nodes: Label of each node by its number: an input's name, an operation, or a constant.
        edges: Pairs (from, to) of numbers, operands in their order.
        outputs: The number of the node that is each state after the step.
    """

    nodes: dict[int, str]
    edges: list[tuple[int, int]]
    outputs: dict[str, int]


def diagram(cell: Cell) -> Diagram:
    """The nodes and edges of a cell's step, without what no state depends on."""
    graph = trace(cell)
    kept = graph.needed(graph.outputs.values())
    labels = {}
    for index in kept:
        node = graph.nodes[index]
        labels[index] = node.name or (f"{node.value:g}" if node.op == "constant" else node.op)
    edges = [(operand, index) for index in kept for operand in graph.nodes[index].operands]
    return Diagram(labels, edges, dict(graph.outputs))


def latex(cell: Cell) -> list[str]:
    """The equations of a cell's step, one for each gate activation or state, in computing order.

    ``x.f`` and ``r.f`` are written as what they are, W_f x_t + b_f and R_f h_{t-1} + c_f; a value
    that is used more than once gets an equation and a letter of its own: its gate's, where one gate
    leads to it.

    Returns:
        Lines such as ``f_t = \\sigma(…)`` and ``h_t = o_t \\odot \\tanh(c_t)``.
    """
    graph = trace(cell)
    return _Writer(cell, graph).equations()


class _Writer:
    """Writes a graph's nodes as LaTeX, and remembers which have got a letter."""

    def __init__(self, cell: Cell, graph: Graph) -> None:
        self.cell = cell
        self.graph = graph
        self.letters: dict[int, str] = {}
        self.lines: list[str] = []

    def equations(self) -> list[str]:
        graph = self.graph
        needed = graph.needed(graph.outputs.values())
        uses = [operand for i in needed for operand in graph.nodes[i].operands]
        states = {index: name for name, index in graph.outputs.items()}
        for index in needed:
            node = graph.nodes[index]
            if node.op in ("input", "constant"):
                continue
            if index in states:
                self._define(index, f"{states[index]}_t")
                continue
            gates = self._gates(index)
            activated = node.op in _FUNCTIONS and len(gates) == 1
            if activated:
                self._define(index, f"{gates.pop()}_t")
            elif uses.count(index) > 1:
                self._define(index, f"u^{{({len(self.lines) + 1})}}_t")
        for name, index in graph.outputs.items():
            if graph.nodes[index].op in ("input", "constant"):
                self.lines.append(f"{name}_t = {self._text(index, _SUM)}")
        return self.lines

    def _define(self, index: int, letter: str) -> None:
        if letter in self.letters.values():
            return
        self.lines.append(f"{letter} = {self._text(index, _SUM)}")
        self.letters[index] = letter

    def _gates(self, index: int) -> set[str]:
        """Gates that lead to a node and have no letter yet on the way."""
        if index in self.letters:
            return set()
        node = self.graph.nodes[index]
        if node.op == "input":
            kind, name = node.name.split(".")
            return {name} if kind in "xr" else set()
        return set().union(*(self._gates(i) for i in node.operands))

    def _text(self, index: int, binding: int) -> str:
        if index in self.letters:
            return self.letters[index]
        node = self.graph.nodes[index]
        if node.op == "input":
            text = self._input(node.name)
            return f"\\left({text}\\right)" if binding > _SUM and " + " in text else text
        if node.op == "constant":
            return f"{node.value:g}" if node.value >= 0 else f"({node.value:g})"
        if node.op in _FUNCTIONS:
            inner = ", ".join(self._text(i, _SUM) for i in node.operands)
            return f"{_FUNCTIONS[node.op]}\\left({inner}\\right)"
        if node.op == "neg":
            text, own = f"-{self._text(node.operands[0], _PRODUCT)}", _SUM
        elif node.op == "div":
            top, bottom = (self._text(i, _SUM) for i in node.operands)
            return f"\\frac{{{top}}}{{{bottom}}}"
        elif node.op == "mul":
            left, right = (self._text(i, _PRODUCT) for i in node.operands)
            text, own = f"{left} \\odot {right}", _PRODUCT
        else:
            left = self._text(node.operands[0], _SUM)
            right = self._text(node.operands[1], _SUM if node.op == "add" else _PRODUCT)
            text, own = f"{left} {'+' if node.op == 'add' else '-'} {right}", _SUM
        return f"\\left({text}\\right)" if own < binding else text

    def _input(self, name: str) -> str:
        kind, own = name.split(".")
        if kind == "x":
            return f"W_{{{own}}} x_t + b_{{{own}}}"
        if kind == "r":
            fed = ", ".join(f"{state}_{{t-1}}" for state in self.cell.recurrent)
            joined = f"[{fed}]" if len(self.cell.recurrent) > 1 else fed
            return f"R_{{{own}}} {joined} + b'_{{{own}}}" if fed else f"b'_{{{own}}}"
        return f"{own}_{{t-1}}" if kind == "s" else own
