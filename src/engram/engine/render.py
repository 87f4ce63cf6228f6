"""Render: a step's graph as LaTeX equations, and as nodes and edges for a diagram."""

from dataclasses import dataclass

from engram.cells.base import Cell
from engram.cells.language import ACTIVATIONS, OVER_UNITS
from engram.engine.graph import Graph
from engram.engine.trace import trace

_FUNCTIONS = {
    "sigmoid": r"\sigma",
    "tanh": r"\tanh",
    "relu": r"\mathrm{relu}",
    "log_sigmoid": r"\log\sigma",
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

    ``x.f`` and ``r.f`` are written as what they are, W_f x_t + b_f and R_f h_{t-1} + b'_f. A value
    that is used more than once gets an equation and a letter of its own: its gate's, where one gate
    leads to it, with a hat before the gate's activation.

    Returns:
        Lines such as ``f_t = \\sigma(…)`` and ``h_t = o_t \\odot \\tanh(c_t)``.
    """
    return _Writer(cell, trace(cell)).equations()


class _Writer:
    """Writes a graph's nodes as LaTeX, and remembers which have got a letter."""

    def __init__(self, cell: Cell, graph: Graph) -> None:
        self.cell = cell
        self.graph = graph
        self.letters: dict[int, str] = {}
        self.settled: set[int] = set()
        self.lines: list[str] = []

    def equations(self) -> list[str]:
        graph = self.graph
        needed = graph.needed(graph.outputs.values())
        uses = [operand for i in needed for operand in graph.nodes[i].operands]
        states = {i: name for name, i in graph.outputs.items() if name in self.cell.states}
        for index in needed:
            node = graph.nodes[index]
            if node.op in ("input", "constant"):
                continue
            gates = {name.partition(".")[2] for name in self._waiting(index)}
            if index in states:
                self._define(index, _symbol(states[index], "t"), settled=True)
            elif node.op in ACTIVATIONS and len(gates) == 1:
                letter = _symbol(gates.pop(), "t")
                log = r"\log " if node.op == "log_sigmoid" else ""
                self._define(index, log + letter, settled=True)
            elif uses.count(index) > 1:
                self._define(index, self._hat(index))
        for name in self.cell.states:
            index = graph.outputs[name]
            if self.letters.get(index) != _symbol(name, "t"):
                self.lines.append(f"{_symbol(name, 't')} = {self._text(index, _SUM)}")
        return self.lines

    def _define(self, index: int, letter: str, *, settled: bool = False) -> None:
        if letter in self.letters.values():
            return
        self.lines.append(f"{letter} = {self._text(index, _SUM)}")
        self.letters[index] = letter
        if settled:
            self.settled.add(index)

    def _hat(self, index: int) -> str:
        """A letter for what comes before a gate's activation, or belongs to no gate."""
        parts = self._waiting(index)
        gates = {name.partition(".")[2] for name in parts}
        if len(gates) == 1:
            gate = gates.pop()
            kinds = {name[0] for name in parts}
            over = _symbol(gate, "t") if len(kinds) == 2 else f"{kinds.pop()}_{{{gate},t}}"
            letter = f"\\hat{{{over[0]}}}{over[1:]}" if over[0] != "\\" else f"\\hat{{{over}}}"
            if letter not in self.letters.values():
                return letter
        count = sum(letter.startswith("u") for letter in self.letters.values())
        return f"u_{{{count + 1},t}}"

    def _waiting(self, index: int) -> frozenset[str]:
        """Parts of gates, ``x.f`` or ``r.f``, that lead to a node and to no activation before."""
        node = self.graph.nodes[index]
        if index in self.settled or node.op in OVER_UNITS:
            return frozenset()
        if node.op == "input":
            return frozenset([node.name]) if node.name[0] in "xr" else frozenset()
        return frozenset().union(*(self._waiting(i) for i in node.operands))

    def _text(self, index: int, binding: int) -> str:
        if index in self.letters:
            return self.letters[index]
        node = self.graph.nodes[index]
        if node.op == "input":
            text = self._input(node.name)
            own = _SUM if " + " in text else _ATOM
        elif node.op == "constant":
            text, own = _number(node.value), _ATOM if node.value >= 0 else _SUM
        elif node.op == "identity":
            return self._text(node.operands[0], binding)
        elif node.op == "sqrt":
            return f"\\sqrt{{{self._text(node.operands[0], _SUM)}}}"
        elif node.op in _FUNCTIONS:
            inner = ", ".join(self._text(i, _SUM) for i in node.operands)
            return f"{_FUNCTIONS[node.op]}\\left({inner}\\right)"
        elif node.op == "neg":
            text, own = f"-{self._text(node.operands[0], _PRODUCT)}", _SUM
        elif node.op == "div":
            top, bottom = (self._text(i, _SUM) for i in node.operands)
            return f"\\frac{{{top}}}{{{bottom}}}"
        elif node.op == "mul":
            text, own = self._product(*node.operands), _PRODUCT
        else:
            text, own = self._sum(node.op, *node.operands), _SUM
        return f"\\left({text}\\right)" if own < binding else text

    def _product(self, left: int, right: int) -> str:
        if self._is_number(right):
            left, right = right, left
        first, second = (self._text(i, _PRODUCT) for i in (left, right))
        if left == right:
            return f"{first}^2" if left in self.letters else f"\\left({first}\\right)^2"
        return f"{first}\\, {second}" if self._is_number(left) else f"{first} \\odot {second}"

    def _sum(self, op: str, left: int, right: int) -> str:
        if op == "add" and self._is_number(left):
            left, right = right, left
        first = self._text(left, _SUM)
        second = self._text(right, _SUM if op == "add" else _PRODUCT)
        if op == "add" and second.startswith("-"):
            return f"{first} - {second[1:]}"
        return f"{first} {'+' if op == 'add' else '-'} {second}"

    def _is_number(self, index: int) -> bool:
        return self.graph.nodes[index].op == "constant"

    def _input(self, name: str) -> str:
        kind, own = name.split(".")
        if kind == "x":
            return f"W_{{{own}}} x_t + b_{{{own}}}"
        if kind == "r":
            fed = self._fed(own)
            return f"R_{{{own}}} {fed} + b'_{{{own}}}" if fed else f"b'_{{{own}}}"
        return _symbol(own, {"s": "t-1", "m": "t"}.get(kind, ""))

    def _fed(self, gate: str) -> str:
        """What the recurrent matrix of a gate multiplies; nothing where it has none."""
        cell = self.cell
        states = [state for state in cell.recurrent if (gate, state) not in cell.unconnected]
        if gate in cell.late:
            fed = [self._text(self.graph.outputs[f"feed.{state}"], _SUM) for state in states]
            return f"\\left({', '.join(fed)}\\right)" if fed else ""
        fed = [_symbol(state, "t-1") for state in states]
        return f"\\left[{', '.join(fed)}\\right]" if len(fed) > 1 else "".join(fed)


def _symbol(name: str, step: str = "") -> str:
    """A name as LaTeX: what stands behind underscores, and the step, as its index."""
    first, *rest = name.split("_")
    letter = first if len(first) == 1 else f"\\mathrm{{{first}}}"
    marks = ",".join([*rest, *([step] if step else [])])
    if not marks:
        return letter
    return f"{letter}_{marks}" if len(marks) == 1 else f"{letter}_{{{marks}}}"


def _number(value: float) -> str:
    """A number as LaTeX, with powers of ten written as such."""
    mantissa, _, exponent = f"{value:g}".partition("e")
    if not exponent:
        return mantissa
    power = f"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else f"{mantissa} \\cdot {power}"
