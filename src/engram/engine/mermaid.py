"""Mermaid: a cell's diagram as text that Markdown viewers draw."""

from dataclasses import dataclass

from engram.cells.base import Cell
from engram.cells.language import ACTIVATIONS
from engram.engine.graph import Graph
from engram.engine.trace import trace

_SIGNS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "neg": "−"}
_NAMES = {"sigmoid": "σ", "log_sigmoid": "log σ", "maximum": "max", "minimum": "min", "sqrt": "√"}
_SHAPES = {
    "gate": ('["', '"]'),
    "state": ('(["', '"])'),
    "op": ('(("', '"))'),
    "chain": ('("', '")'),
}
_STYLES = (
    "classDef gate fill:#fde9c9,stroke:#b7791f,color:#1a202c",
    "classDef state fill:#d5e8fb,stroke:#2b6cb0,color:#1a202c",
    "classDef op fill:#ffffff,stroke:#718096,color:#1a202c",
)


def mermaid(cell: Cell) -> str:
    """A cell's step as a flow from states before, on the left, to states after it.

    A square box is a gate: what the input x and, through the recurrent matrix, the states before
    bring to it, and its activation where that comes at once. Round ends are states, circles
    operations. A number or a per-unit weight stands with the operation that it takes part in;
    operations on one value that follow one another stand together, in their order.
    """
    return _Drawing(cell).text()


@dataclass(frozen=True)
class _Box:
    """What is drawn for a node: its label, its style, and the nodes that lead to it."""

    label: str
    style: str
    sources: tuple[tuple[int, str], ...] = ()  # node, and the mark of its arrow

    @property
    def is_plain(self) -> bool:
        """Whether it is an operation on one value."""
        return self.style == "op" and len(self.sources) == 1


class _Drawing:
    """A graph while its nodes are joined and drawn."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.graph: Graph = trace(cell)
        needed = self.graph.needed(self.graph.outputs.values())
        self.uses = [i for index in needed for i in self.graph.nodes[index].operands]
        self.uses += self.graph.outputs.values()
        self.boxes: dict[int, _Box] = {}

    def text(self) -> str:
        states = [(self.graph.outputs[name], name) for name in self.cell.states]
        for index, _ in states:
            self._visit(index)
        lines = ["flowchart LR"]
        names = {index: f"n{place}" for place, index in enumerate(sorted(self.boxes))}
        for index, own in names.items():
            box = self.boxes[index]
            shape = "chain" if box.style == "op" and ", " in box.label else box.style
            before, after = _SHAPES[shape]
            lines.append(f"{own}{before}{box.label}{after}:::{box.style}")
        for index, own in names.items():
            for source, mark in self.boxes[index].sources:
                arrow = f'-- "{mark}" -->' if mark else "-->"
                lines.append(f"{names[source]} {arrow} {own}")
        for index, state in states:
            after = f"after_{state}"
            lines += [f'{after}(["{state}ₜ"]):::state', f"{names[index]} --> {after}"]
        return "\n".join([lines[0], *(f"    {line}" for line in (*lines[1:], *_STYLES))])

    def _visit(self, index: int) -> None:
        if index in self.boxes:
            return
        box = self._box(index)
        while box.is_plain and self.uses.count(source := box.sources[0][0]) == 1:
            below = self._box(source)
            if not below.is_plain:
                break
            box = _Box(f"{below.label}, {box.label}", "op", below.sources)
        self.boxes[index] = box
        for source, _ in box.sources:
            self._visit(source)

    def _box(self, index: int) -> _Box:
        graph = self.graph
        node = graph.nodes[index]
        if node.op == "input":
            return self._input(node.name)
        gate = self._gate(index)
        if gate is not None:
            return self._gate_box(gate, gate)
        if node.op in ACTIVATIONS:
            (operand,) = node.operands
            gate = self._gate(operand)
            if gate is not None and self.uses.count(operand) == 1:
                label = gate if node.op == "identity" else f"{_name(node.op)}({gate})"
                return self._gate_box(gate, label)
        if node.op == "mul" and node.operands[0] == node.operands[1]:
            return _Box("²", "op", ((node.operands[0], ""),))
        operands = self._addends(index) if node.op == "add" else list(node.operands)
        leaves = [i for i in operands if self._is_leaf(i)]
        if node.op in _SIGNS and len(leaves) == 1 and len(operands) == 2:
            (leaf,) = leaves
            (other,) = (i for i in operands if i != leaf)
            sign, text = _SIGNS[node.op], self._leaf(leaf)
            first = operands[0] == leaf and node.op in ("sub", "div")
            return _Box(f"{text} {sign}" if first else f"{sign} {text}", "op", ((other, ""),))
        marks = ["", _SIGNS[node.op]] if node.op in ("sub", "div") else [""] * len(operands)
        inner = [i for i in operands if not self._is_leaf(i)]
        own = " + ".join(["", *(self._leaf(i) for i in leaves)]).removeprefix(" ")
        label = _SIGNS.get(node.op) or _name(node.op)
        if node.op == "add" and own:
            label = own
        return _Box(label, "op", tuple(zip(inner, marks, strict=False)))

    def _addends(self, index: int) -> list[int]:
        """What is added up, sums that are used nowhere else taken apart, gates left whole."""
        found: list[int] = []
        for operand in self.graph.nodes[index].operands:
            alone = self.uses.count(operand) == 1 and self._gate(operand) is None
            if self.graph.nodes[operand].op == "add" and alone:
                found += self._addends(operand)
            else:
                found.append(operand)
        return found

    def _gate(self, index: int) -> str | None:
        """The gate whose two parts a node adds up."""
        node = self.graph.nodes[index]
        names = sorted(self.graph.nodes[i].name for i in node.operands)
        if node.op != "add" or not all(names):
            return None
        gate = names[0].partition(".")[2]
        return gate if names == [f"r.{gate}", f"x.{gate}"] else None

    def _gate_box(self, gate: str, label: str, kinds: str = "xr") -> _Box:
        """The box of a gate, or of one of its parts, with what it is made from."""
        cell = self.cell
        from_x = ["x"] if "x" in kinds else []
        if gate in cell.late:
            fed = [self.graph.outputs[f"feed.{state}"] for state in cell.recurrent]
            return _Box(_seeing(label, from_x), "gate", tuple((index, "R") for index in fed))
        states = [state for state in cell.recurrent if (gate, state) not in cell.unconnected]
        return _Box(_seeing(label, [*from_x, *(states if "r" in kinds else [])]), "gate")

    def _input(self, name: str) -> _Box:
        kind, own = name.split(".")
        if kind == "s":
            return _Box(f"{own}ₜ₋₁", "state")
        return _Box(own, "op") if kind in "wm" else self._gate_box(own, own, kind)

    def _is_leaf(self, index: int) -> bool:
        node = self.graph.nodes[index]
        return node.op == "constant" or node.name.startswith(("w.", "m."))

    def _leaf(self, index: int) -> str:
        node = self.graph.nodes[index]
        return f"{node.value:g}" if node.op == "constant" else node.name[2:]


def _seeing(label: str, names: list[str]) -> str:
    return f"{label}<br/>from {', '.join(names)}" if names else label


def _name(op: str) -> str:
    return _NAMES.get(op, op)
