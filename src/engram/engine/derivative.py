"""Derivative: the reverse of a step's graph, with what has to be stored for it."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from engram.cells.language import OPERATIONS, OVER_UNITS
from engram.engine.graph import OPERATORS, Graph, Node
from engram.engine.sums import over_units

# What the reverse needs besides the cell language, on tensors: 1 where a > 0, else 0; 1 where
# a > b, ½ where a = b, else 0; and 1 where a = b, else 0.
REVERSE_OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "positive": lambda a: (a > 0).to(a.dtype),
    "at_least": lambda a, b: 0.5 * ((a > b).to(a.dtype) + (a >= b).to(a.dtype)),
    "equal": lambda a, b: (a == b).to(a.dtype),
}

# Results of these are dear to compute again, and their derivatives are made of the results. An
# identity is the value of a gate, whose two parts would be stored in its place.
EXPENSIVE = {"sigmoid", "tanh", "exp", "log_sigmoid", "identity", "div", "sqrt"}


@dataclass(frozen=True)
class Reverse:
    """The reverse of one step.

    Attributes:
        graph: Inputs are those of the step, ``d.<state>`` for the gradient that arrives at each
            state after it, and nothing else; outputs are ``x.<gate>``, ``r.<gate>``,
            ``s.<state>`` and ``w.<weight>``: the gradients of the step's inputs, masks excepted.
            The nodes of the step itself are its first ones, with the same indices.
        stored: Nodes of the step whose values the reverse starts from; the rest of what it needs
            of the step is computed again from these and the states before.
    """

    graph: Graph
    stored: list[int]


def derivative(step: Graph) -> Reverse:
    """Reverse a step's graph by the chain rule; common expressions are shared with the step.

    Where ``maximum``, ``minimum`` or ``relu`` is at its kink, the gradient is torch's: nothing for
    relu, half to each side for the other two. What has one number for a whole row gets one gradient
    for the row, whose every unit takes the mean: only the sum over the units counts.
    """
    graph = step.copy()
    count = len(step.nodes)
    gradients: dict[int, int] = {}

    def accumulate(index: int, gradient: int) -> None:
        known = gradients.get(index)
        gradients[index] = gradient if known is None else graph.apply("add", known, gradient)

    for name, index in step.outputs.items():
        accumulate(index, graph.input(f"d.{name}"))
    for index in range(count - 1, -1, -1):
        node = step.nodes[index]
        if index not in gradients or node.op in ("input", "constant"):
            continue
        if node.op not in OVER_UNITS and index in graph.same:
            gradients[index] = over_units(graph, "mean", gradients[index])
        for operand, local in zip(node.operands, _RULES[node.op](graph, index), strict=True):
            given = step.nodes[operand]
            if given.op != "constant" and not given.name.startswith("m."):
                accumulate(operand, local(gradients[index]))
    zero = graph.constant(0.0)
    graph.outputs = {
        node.name: gradients.get(index, zero)
        for index, node in enumerate(step.nodes)
        if node.op == "input" and not node.name.startswith("m.")
    }
    return Reverse(graph, _stored(graph, count, set(step.outputs.values())))


def _stored(graph: Graph, count: int, states: set[int]) -> list[int]:
    """What of a step must be stored: expensive results, and inputs that are products or from x.

    Where the two parts of a gate are used in their sum alone, that is stored in their place.

    States before, weights and masks are available in the backward pass, so cheap nodes made of
    these and of expensive results are computed again. So are the states after the step; an
    expensive result that can be made of what is stored in any case costs less to compute again
    than to write and to read. What looks at all units of a row is one number for the row, and would
    take another pass over it.
    """
    sums = _sums_of_parts(graph, count)

    def needed(made_again: set[int]) -> set[int]:
        stored: set[int] = set()
        seen: set[int] = set()

        def visit(index: int) -> None:
            if index in seen:
                return
            seen.add(index)
            node = graph.nodes[index]
            if index < count:
                if node.op == "input":
                    if not _at_hand(node):
                        stored.add(index)
                    return
                made = index in graph.same or index in made_again
                expensive = node.op in EXPENSIVE and not made
                if index in states or index in sums or expensive or node.op in OVER_UNITS:
                    stored.add(index)
                    return
            for operand in node.operands:
                visit(operand)

        for root in graph.outputs.values():
            visit(root)
        return stored

    stored = needed(set())
    there = stored | states
    made_again: set[int] = set()
    for index in sorted(stored - states):
        node = graph.nodes[index]
        if node.op in EXPENSIVE and all(_can_be_made(graph, i, there) for i in node.operands):
            made_again.add(index)
            there.discard(index)
    return sorted(needed(made_again))


def _at_hand(node: Node) -> bool:
    """Whether an input is there in the reverse without being stored."""
    return node.name.startswith(("s.", "w.", "m.", "d."))


def _can_be_made(graph: Graph, index: int, stored: set[int]) -> bool:
    """Whether a node can be computed from those that are stored, unit by unit."""
    node = graph.nodes[index]
    if index in stored or node.op == "constant":
        return True
    if node.op in OVER_UNITS or node.op == "input":
        return _at_hand(node)
    return all(_can_be_made(graph, operand, stored) for operand in node.operands)


def _sums_of_parts(graph: Graph, count: int) -> set[int]:
    """The step's nodes that add a gate's input and recurrent part, which nothing else uses."""
    uses: dict[int, list[int]] = {}
    for index, node in enumerate(graph.nodes):
        for operand in node.operands:
            uses.setdefault(operand, []).append(index)
    found = set()
    for index, node in enumerate(graph.nodes[:count]):
        names = sorted(graph.nodes[operand].name for operand in node.operands)
        alone = all(uses[operand] == [index] for operand in node.operands)
        if node.op == "add" and alone and all(names):
            kinds, gates = zip(*(name.split(".") for name in names), strict=True)
            if kinds == ("r", "x") and gates[0] == gates[1]:
                found.add(index)
    return found


_Local = Callable[[int], int]


def _rules() -> dict[str, Callable[[Graph, int], list[_Local]]]:
    """For each operation, what turns the gradient of its result into those of its operands."""

    def operands(g: Graph, i: int) -> tuple[int, ...]:
        return g.nodes[i].operands

    def times(g: Graph, factor: int) -> _Local:
        return lambda d: g.apply("mul", d, factor)

    def add(g: Graph, i: int) -> list[_Local]:
        return [lambda d: d, lambda d: d]

    def sub(g: Graph, i: int) -> list[_Local]:
        return [lambda d: d, lambda d: g.apply("neg", d)]

    def mul(g: Graph, i: int) -> list[_Local]:
        a, b = operands(g, i)
        return [times(g, b), times(g, a)]

    def div(g: Graph, i: int) -> list[_Local]:
        _, b = operands(g, i)
        return [
            lambda d: g.apply("div", d, b),
            lambda d: g.apply("neg", g.apply("mul", g.apply("div", d, b), i)),
        ]

    def neg(g: Graph, i: int) -> list[_Local]:
        return [lambda d: g.apply("neg", d)]

    def sigmoid(g: Graph, i: int) -> list[_Local]:
        return [times(g, g.apply("mul", i, g.apply("sub", g.constant(1.0), i)))]

    def tanh(g: Graph, i: int) -> list[_Local]:
        return [times(g, g.apply("sub", g.constant(1.0), g.apply("mul", i, i)))]

    def relu(g: Graph, i: int) -> list[_Local]:
        return [times(g, g.apply("positive", i))]

    def identity(g: Graph, i: int) -> list[_Local]:
        return [lambda d: d]

    def exp(g: Graph, i: int) -> list[_Local]:
        return [times(g, i)]

    def log_sigmoid(g: Graph, i: int) -> list[_Local]:
        return [times(g, g.apply("sub", g.constant(1.0), g.apply("exp", i)))]

    def larger(g: Graph, i: int) -> list[_Local]:
        a, b = operands(g, i)
        return [times(g, g.apply("at_least", a, b)), times(g, g.apply("at_least", b, a))]

    def smaller(g: Graph, i: int) -> list[_Local]:
        a, b = operands(g, i)
        return [times(g, g.apply("at_least", b, a)), times(g, g.apply("at_least", a, b))]

    def sqrt(g: Graph, i: int) -> list[_Local]:
        return [lambda d: g.apply("div", d, g.apply("add", i, i))]

    def of_all(name: str) -> Callable[[Graph, int], list[_Local]]:
        # every unit takes part in every unit's result, in the same measure
        return lambda g, i: [lambda d: over_units(g, name, d)]

    def largest(g: Graph, i: int) -> list[_Local]:
        (a,) = operands(g, i)
        is_largest = g.apply("equal", a, i)
        share = g.apply("div", is_largest, g.apply("sum", is_largest))
        return [lambda d: g.apply("mul", share, over_units(g, "sum", d))]

    return {
        "add": add,
        "sub": sub,
        "mul": mul,
        "div": div,
        "neg": neg,
        "sigmoid": sigmoid,
        "tanh": tanh,
        "relu": relu,
        "identity": identity,
        "exp": exp,
        "log_sigmoid": log_sigmoid,
        "maximum": larger,
        "minimum": smaller,
        "sqrt": sqrt,
        "sum": of_all("sum"),
        "mean": of_all("mean"),
        "max": largest,
    }


_RULES = _rules()
assert set(_RULES) == set(OPERATORS) | set(OPERATIONS)
