"""Sums over the units: each row's own numbers stand outside, and the value stays the same."""

import random

import pytest
import torch

from engram.cells import Cell
from engram.cells.language import OPERATIONS, layer_norm
from engram.engine.compiled.plan import plan
from engram.engine.cpu.kernels.rows import Stages
from engram.engine.graph import Graph
from engram.engine.sums import over_units


def _random_node(graph, rng, depth):
    """An expression of vectors, of numbers of the row, and of constants."""
    if depth == 0:
        a, b = graph.input("a"), graph.input("b")
        number = graph.apply("mean", graph.apply("mul", a, b))
        return rng.choice([a, b, number, graph.constant(rng.choice([-1.0, 0.5, 2.0, 3.0]))])
    op = rng.choice(["add", "sub", "mul", "div", "neg", "tanh"])
    left = _random_node(graph, rng, depth - 1)
    if op in ("neg", "tanh"):
        return graph.apply(op, left)
    right = _random_node(graph, rng, depth - 1)
    if op == "div":
        right = graph.apply("exp", graph.apply("tanh", right))
    return graph.apply(op, left, right)


@pytest.mark.parametrize("op", ["sum", "mean"])
def test_a_sum_taken_apart_has_the_same_value(op):
    values = {name: torch.randn(3, 7, dtype=torch.float64) for name in "ab"}
    for seed in range(200):
        graph, rng = Graph(), random.Random(seed)
        node = _random_node(graph, rng, 5)
        graph.outputs = {"whole": graph.apply(op, node), "apart": over_units(graph, op, node)}
        # a number that stands for all units has no axis to sum over
        computed = {
            name: torch.as_tensor(value, dtype=torch.float64).expand(3, 7)
            for name, value in graph.evaluate(values, _WITH_NUMBERS).items()
        }
        torch.testing.assert_close(computed["apart"], computed["whole"])


def _of_all_units(name):
    def operation(a):
        return OPERATIONS[name](torch.as_tensor(a, dtype=torch.float64).expand(3, 7))

    return operation


def _of_number(name):
    return lambda a: OPERATIONS[name](torch.as_tensor(a, dtype=torch.float64))


_WITH_NUMBERS = {name: _of_all_units(name) for name in ("sum", "mean")}
_WITH_NUMBERS |= {name: _of_number(name) for name in ("exp", "tanh")}


class OneNorm(Cell):
    gates = ("a",)

    def step(self, x, r, s, w):
        return {"h": layer_norm(x.a + r.a)}


def test_the_sums_in_the_reverse_of_a_norm_wait_for_no_other():
    """Mean and variance take two passes forward; backward all sums are taken in one."""
    drawn = plan(OneNorm())
    graph = drawn.graph
    named = {node.name: index for index, node in enumerate(graph.nodes) if node.name}
    forward = Stages(graph, drawn.after, list(named.values()))
    at_hand = [index for name, index in named.items() if name.startswith(("s.", "d."))]
    backward = Stages(graph, list(graph.outputs.values()), [*at_hand, *drawn.stored])
    assert (forward.count, backward.count) == (2, 1)
