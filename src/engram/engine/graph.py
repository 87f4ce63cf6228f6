"""Expression graphs: what a step computes, as nodes that name an operation and its operands."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engram.cells.language import OVER_UNITS

OPERATORS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
}
_COMMUTATIVE = {"add", "mul", "maximum", "minimum"}


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        op: ``"input"``, ``"constant"``, one of `OPERATORS`, or a name of the cell language.
        operands: Indices of earlier nodes.
        name: Of an input, such as ``x.f`` or ``s.c``.
        value: Of a constant.
    """

    op: str
    operands: tuple[int, ...] = ()
    name: str = ""
    value: float = 0.0


@dataclass
class Graph:
    """Nodes in an order in which they can be computed, each expression once.

    Attributes:
        nodes: Operands come before what uses them.
        outputs: What is computed, by name.
        same: Nodes that give every unit of a row the same number.
    """

    nodes: list[Node] = field(default_factory=list)
    outputs: dict[str, int] = field(default_factory=dict)
    same: set[int] = field(default_factory=set)
    _known: dict[Node, int] = field(default_factory=dict, repr=False)

    def copy(self) -> "Graph":
        """A graph that can grow by itself; indices stay valid."""
        return Graph(list(self.nodes), dict(self.outputs), set(self.same), dict(self._known))

    def input(self, name: str) -> int:
        """An input of this name."""
        return self._add(Node("input", name=name))

    def constant(self, value: float) -> int:
        """A number."""
        return self._add(Node("constant", value=float(value)))

    def apply(self, op: str, *operands: int) -> int:
        """An operation on nodes; an expression that is known already is not made again."""
        simpler = self._simpler(op, operands)
        if simpler is not None:
            return simpler
        if op in _COMMUTATIVE:
            operands = tuple(sorted(operands))
        return self._add(Node(op, operands))

    def inputs(self) -> list[str]:
        """Names of all inputs, in the order in which they were first used."""
        return [node.name for node in self.nodes if node.op == "input"]

    def needed(self, roots: Iterable[int]) -> list[int]:
        """The nodes that these depend on, and these, in computing order."""
        wanted = set(roots)
        for index in range(len(self.nodes) - 1, -1, -1):
            if index in wanted:
                wanted.update(self.nodes[index].operands)
        return sorted(wanted)

    def evaluate(
        self, inputs: Mapping[str, Any], operations: Mapping[str, Callable[..., Any]]
    ) -> dict[str, Any]:
        """Compute the outputs from values of the inputs, with the given operations."""
        values: dict[int, Any] = {}
        for index in self.needed(self.outputs.values()):
            node = self.nodes[index]
            if node.op == "input":
                values[index] = inputs[node.name]
            elif node.op == "constant":
                values[index] = node.value
            else:
                operation = OPERATORS.get(node.op) or operations[node.op]
                values[index] = operation(*(values[i] for i in node.operands))
        return {name: values[index] for name, index in self.outputs.items()}

    def _add(self, node: Node) -> int:
        if node not in self._known:
            self._known[node] = index = len(self.nodes)
            self.nodes.append(node)
            made_of_same = bool(node.operands) and self.same.issuperset(node.operands)
            if node.op in OVER_UNITS or node.op == "constant" or made_of_same:
                self.same.add(index)
        return self._known[node]

    def _number(self, index: int) -> float | None:
        node = self.nodes[index]
        return node.value if node.op == "constant" else None

    def _simpler(self, op: str, operands: tuple[int, ...]) -> int | None:
        """A known node with the same value, where arithmetic gives one."""
        if op == "mean" and operands[0] in self.same:
            return operands[0]
        if op not in OPERATORS:
            return None
        numbers = [self._number(i) for i in operands]
        if all(n is not None for n in numbers):
            if op == "div" and numbers[1] == 0.0:
                return None
            value = OPERATORS[op](*numbers)
            return self.constant(value) if math.isfinite(value) else None
        if op == "neg":
            node = self.nodes[operands[0]]
            return node.operands[0] if node.op == "neg" else None
        left, right = operands
        if op in ("add", "mul") and numbers[0] is not None:
            left, right, numbers = right, left, numbers[::-1]
        if op in ("add", "sub") and numbers[1] == 0.0:
            return left
        if op in ("mul", "div") and numbers[1] == 1.0:
            return left
        if op == "mul" and numbers[1] == -1.0:
            return self.apply("neg", left)
        if op == "sub" and numbers[0] == 0.0:
            return self.apply("neg", right)
        return None
