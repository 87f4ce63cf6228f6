"""Plan: what a cell's kernels compute, and where each value that must last is kept."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from engram.cells.base import Cell
from engram.cells.language import ACTIVATIONS, OVER_UNITS
from engram.engine.derivative import EXPENSIVE, derivative
from engram.engine.graph import Graph
from engram.engine.trace import trace


@dataclass(frozen=True)
class Place:
    """Where a node's value is kept for every step.

    Attributes:
        kind: ``"gate"`` (in the block of a gate, over what the input brought to it), ``"state"``
            (it is that state after the step), ``"extra"`` (in a block behind those of the gates),
            or ``"row"`` (in a buffer with one number for each row, because all units have the
            same).
        index: Of the gate, the state, the extra, or the buffer.
    """

    kind: str
    index: int


@dataclass(frozen=True)
class Plan:
    """What the kernels of a cell compute.

    Attributes:
        gates, states, recurrent, weights, masks: The cell's blocks.
        graph: The step and its reverse, in one; ``outputs`` are the gradients.
        after: The node of each state after the step.
        kept: Where the values are that the reverse starts from, and those of a recording.
        recorded: Those among them that nothing but a recording needs.
        seen: The node of each gate's activation, or its preactivation where it has none.
        apart: Whether some gate's gradient differs between input and recurrent part.
        joined: Whether every gate needs only the sum of its input and recurrent part.
    """

    gates: tuple[str, ...]
    states: tuple[str, ...]
    recurrent: tuple[str, ...]
    weights: tuple[str, ...]
    masks: tuple[str, ...]
    graph: Graph
    after: tuple[int, ...]
    kept: Mapping[int, Place]
    recorded: frozenset[int]
    seen: tuple[int, ...]
    apart: bool
    joined: bool

    @cached_property
    def stored(self) -> Mapping[int, Place]:
        """Where the values are that the reverse starts from."""
        return {node: place for node, place in self.kept.items() if node not in self.recorded}

    @cached_property
    def extras(self) -> int:
        """The number of values that backward needs beyond gates and states; they come first."""
        return sum(place.kind == "extra" for place in self.stored.values())

    def blocks(self, recording: bool) -> int:
        """How many blocks of H numbers are kept for a row: gates, and behind them extras."""
        last = sum(self.kept[node].kind == "extra" for node in self.recorded if recording)
        return len(self.gates) + self.extras + last

    def block(self, place: Place) -> int:
        """Which of these blocks a place for a gate or an extra is."""
        return place.index + (len(self.gates) if place.kind == "extra" else 0)

    @cached_property
    def rows(self) -> int:
        """How many buffers with one number a row there are."""
        return sum(place.kind == "row" for place in self.stored.values())

    @cached_property
    def most_aside(self) -> int:
        """How many values of a row may have to be put aside at once, at most."""
        return sum(node.op in EXPENSIVE for node in self.graph.nodes)

    @cached_property
    def looks_at_rows(self) -> bool:
        """Whether an operation looks at all units of a row."""
        return any(node.op in OVER_UNITS for node in self.graph.nodes)

    @property
    def key(self) -> str:
        """All that the kernels depend on, as text."""
        kept = sorted(self.kept.items(), key=lambda item: item[0])
        blocks = self.gates, self.states, self.recurrent, self.weights, self.masks
        recorded = sorted(self.recorded)
        return repr((blocks, self.graph.nodes, self.graph.outputs, self.after, kept, recorded))

    @cached_property
    def name(self) -> str:
        """A short name of what the kernels compute: the same for equal cells, in any process."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:16]


def plan(cell: Cell) -> Plan:
    """Trace a cell, derive its reverse, and give each value that must last a place.

    Raises:
        UntraceableError: Where the cell cannot be traced; see `trace`.
    """
    step = trace(cell)
    after = tuple(step.outputs[name] for name in cell.states)
    seen = tuple(_gate_nodes(step, cell.gates))
    reverse = derivative(step)
    graph = reverse.graph
    apart = any(graph.outputs[f"x.{gate}"] != graph.outputs[f"r.{gate}"] for gate in cell.gates)
    return Plan(
        gates=cell.gates,
        states=cell.states,
        recurrent=cell.recurrent,
        weights=cell.weights,
        masks=cell.masks,
        graph=graph,
        after=after,
        kept=_places(graph, cell.gates, after, seen, reverse.stored),
        recorded=frozenset(seen) - frozenset(reverse.stored),
        seen=seen,
        apart=apart,
        joined=_joined(step, cell.gates),
    )


def _joined(step: Graph, gates: tuple[str, ...]) -> bool:
    """Whether the parts of each gate are used in their sum, and nowhere else."""
    parts = {node.name: index for index, node in enumerate(step.nodes) if node.op == "input"}
    pairs = [{parts[f"x.{gate}"], parts[f"r.{gate}"]} for gate in gates]
    return all(
        node.op == "add" and set(node.operands) == pair
        for pair in pairs
        for node in step.nodes
        if pair & set(node.operands)
    )


def _gate_nodes(step: Graph, gates: tuple[str, ...]) -> list[int]:
    """For each gate, the first activation that its value reaches; else input plus recurrent part.

    Sums and products carry the gates of their operands on until an activation settles them; what is
    one number for the whole row carries none.
    """
    settled: dict[str, int] = {}
    pending: list[frozenset[str]] = []
    for index, node in enumerate(step.nodes):
        waiting = frozenset[str]().union(*(pending[operand] for operand in node.operands))
        if node.op == "input" and node.name.startswith(("x.", "r.")):
            waiting = frozenset([node.name[2:]])
        if node.op in OVER_UNITS:
            waiting = frozenset()
        if node.op in ACTIVATIONS:
            for gate in waiting:
                settled.setdefault(gate, index)
            waiting = frozenset()
        pending.append(waiting)
    return [
        settled[gate]
        if gate in settled
        else step.apply("add", step.input(f"x.{gate}"), step.input(f"r.{gate}"))
        for gate in gates
    ]


def _places(
    graph: Graph,
    gates: tuple[str, ...],
    after: tuple[int, ...],
    seen: tuple[int, ...],
    stored: Sequence[int],
) -> dict[int, Place]:
    """States are kept anyway; what the input brought stays; gates come next, then all the rest.

    Last comes what is kept for a recording alone.
    """
    kept: dict[int, Place] = {}
    rows = 0
    free = dict.fromkeys(range(len(gates)))
    waiting = []
    for index in dict.fromkeys([*stored, *seen]):
        node = graph.nodes[index]
        if index in after:
            kept[index] = Place("state", after.index(index))
        elif node.op == "input" and node.name.startswith("x."):
            gate = gates.index(node.name[2:])
            kept[index] = Place("gate", gate)
            del free[gate]
        elif index in graph.same and index not in seen:
            kept[index] = Place("row", rows)
            rows += 1
        else:
            waiting.append(index)
    waiting.sort(key=lambda index: (index not in stored, index not in seen))
    extras = 0
    for index in waiting:
        wish = seen.index(index) if index in seen else next(iter(free), None)
        if wish in free:
            kept[index] = Place("gate", wish)
            del free[wish]
        else:
            kept[index] = Place("extra", extras)
            extras += 1
    return kept
