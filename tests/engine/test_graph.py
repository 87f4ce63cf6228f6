"""Trace and derivative: the graph computes what the step does, its reverse what autograd does."""

import pytest
import torch

from engram.cells import CELLS, LSTM, Cell, RecurrentDropout, Zoneout, make_cell
from engram.cells.base import take_feed, take_step
from engram.cells.language import OPERATIONS, exp, maximum, minimum, relu, sigmoid, tanh
from engram.engine.derivative import REVERSE_OPERATIONS, derivative
from engram.engine.graph import Graph
from engram.engine.trace import UntraceableError, trace


class Everything(Cell):
    """Uses each operation of the language, and numbers on either side."""

    gates = ("a", "b")
    states = ("h", "c")
    recurrent = ("h", "c")
    weights = ("p",)

    def step(self, x, r, s, w):
        a = sigmoid(x.a + r.a + w.p * s.c) / (2.0 + exp(-s.h))
        b = maximum(tanh(x.b * r.b), minimum(s.c, a)) - 3 * relu(x.a - r.b)
        c = 1 - a * s.c + (b - 1.5) / 4 + 2 / (3 + a)
        return {"h": -b * tanh(c), "c": c}


class Constant(Cell):
    """Ignores its input, and gives a number."""

    gates = ("a",)

    def step(self, x, r, s, w):
        return {"h": 0.5 * s.h + 0 * x.a}


BUILT_IN = [*map(make_cell, CELLS)]
TRACED = [*(cell for cell in BUILT_IN if not cell.late), Everything(), Constant()]
TRACED += [Zoneout(LSTM(), {"c": 0.5}), RecurrentDropout(LSTM(layer_norm=True))]


def _values(cell):
    torch.manual_seed(3)
    blocks = {"x": cell.gates, "r": cell.gates, "s": cell.states, "w": cell.weights}
    blocks |= {"m": cell.masks}
    return {
        kind: {n: torch.randn(3, 5, dtype=torch.float64, requires_grad=True) for n in names}
        for kind, names in blocks.items()
    }


def _called(function, cell, values):
    """Call a step or a feed, which reads masks as it reads weights."""
    return function(cell, *(values[kind] for kind in "xrs"), values["w"] | values["m"])


def _flat(values):
    return {f"{kind}.{n}": v for kind, block in values.items() for n, v in block.items()}


@pytest.mark.parametrize("cell", TRACED, ids=repr)
def test_graph_computes_what_the_step_does(cell):
    values = _values(cell)
    expected = _called(take_step, cell, values)
    computed = trace(cell).evaluate(_flat(values), OPERATIONS)
    assert set(computed) == set(cell.states)
    for name in cell.states:
        torch.testing.assert_close(computed[name], expected[name])


@pytest.mark.parametrize("cell", [cell for cell in BUILT_IN if cell.late], ids=repr)
def test_graph_holds_what_feeds_late_gates(cell):
    values = _values(cell)
    fed = {f"feed.{n}": v for n, v in _called(take_feed, cell, values).items()}
    expected = _called(take_step, cell, values) | fed
    computed = trace(cell).evaluate(_flat(values), OPERATIONS)
    assert set(computed) == set(expected) > set(cell.states)
    for name, value in expected.items():
        torch.testing.assert_close(computed[name], value)


@pytest.mark.parametrize("cell", TRACED, ids=repr)
def test_reverse_computes_what_autograd_does(cell):
    values = _values(cell)
    after = _called(take_step, cell, values)
    arriving = {n: torch.randn(3, 5, dtype=torch.float64) for n in cell.states}
    inputs = {name: value for name, value in _flat(values).items() if name[0] != "m"}
    expected = torch.autograd.grad(
        [after[n] for n in cell.states],
        list(inputs.values()),
        [arriving[n] for n in cell.states],
        allow_unused=True,
        materialize_grads=True,
    )
    given = {n: v.detach() for n, v in _flat(values).items()}
    given |= {f"d.{n}": v for n, v in arriving.items()}
    reverse = derivative(trace(cell))
    computed = reverse.graph.evaluate(given, OPERATIONS | REVERSE_OPERATIONS)
    assert set(computed) == set(inputs)
    for name, value in zip(inputs, expected, strict=True):
        result = torch.as_tensor(computed[name], dtype=torch.float64).expand(3, 5)
        torch.testing.assert_close(result, value)


@pytest.mark.parametrize("cell", TRACED, ids=repr)
def test_reverse_needs_nothing_but_what_is_stored(cell):
    """Cut the step's graph at the stored nodes: no input x or r may be reached any more."""
    step = trace(cell)
    reverse = derivative(step)
    graph, stored = reverse.graph, set(reverse.stored)
    todo, reached = list(graph.outputs.values()), set()
    while todo:
        index = todo.pop()
        if index in reached or index in stored:
            continue
        reached.add(index)
        todo += graph.nodes[index].operands
    names = {graph.nodes[i].name for i in reached if graph.nodes[i].op == "input"}
    assert not {n for n in names if n.startswith(("x.", "r."))}
    assert all(index < len(step.nodes) for index in stored)


def test_an_lstm_stores_its_four_gates_and_its_state():
    graph = trace(make_cell("lstm"))
    stored = derivative(graph).stored
    gates = [graph.nodes[i].op for i in stored if i != graph.outputs["c"]]
    assert sorted(gates) == ["sigmoid", "sigmoid", "sigmoid", "tanh"]
    assert graph.outputs["c"] in stored


def test_an_expression_is_made_once():
    graph = Graph()
    a, b = graph.input("a"), graph.input("b")
    assert graph.apply("add", a, b) == graph.apply("add", b, a)
    assert graph.apply("sub", a, b) != graph.apply("sub", b, a)
    assert graph.apply("mul", a, graph.constant(1.0)) == a
    assert graph.apply("neg", graph.apply("neg", a)) == a
    assert graph.nodes[graph.apply("sub", graph.constant(3), graph.constant(1))].value == 2.0


def _cell(body):
    class Faulty(Cell):
        gates = ("a",)
        step = body

    return Faulty()


def _branches(self, x, r, s, w):
    return {"h": x.a if x.a else r.a}


def _compares(self, x, r, s, w):
    return {"h": x.a * (x.a > 0)}


def _changes(self, x, r, s, w):
    a = x.a
    a += r.a
    return {"h": a}


def _indexes(self, x, r, s, w):
    return {"h": x.a[0]}


def _foreign(self, x, r, s, w):
    return {"h": torch.softmax(x.a, dim=-1)}


def _method(self, x, r, s, w):
    return {"h": x.a.sigmoid()}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (_branches, "branches on a value.*use maximum and minimum"),
        (_compares, "compares values.*use maximum and minimum"),
        (_changes, r"in place; write a = a \+ b"),
        (_indexes, "a part of a value"),
        (_foreign, "a step may use .*sigmoid, sqrt, sum, tanh"),
        (_method, "a step may use .*sigmoid, sqrt, sum, tanh"),
    ],
)
def test_what_a_graph_cannot_hold_is_named_with_its_line(body, text):
    line = body.__code__.co_firstlineno
    with pytest.raises(UntraceableError, match=rf"cell Faulty: step line \d+ .*{text}") as caught:
        trace(_cell(body))
    found = int(str(caught.value).split("step line ")[1].split()[0])
    assert line < found <= line + 3
