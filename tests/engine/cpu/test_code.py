"""Vector code: right to the stated units in the last place, and equal to the graph behind it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engram.cells import CELLS, make_cell
from engram.cells.language import OPERATIONS, OVER_UNITS
from engram.engine.cpu.codegen.elementwise import FORMATS, Elementwise, compiled
from engram.engine.cpu.codegen.maths import ERRORS
from engram.engine.cpu.codegen.target import host
from engram.engine.derivative import REVERSE_OPERATIONS, derivative
from engram.engine.graph import Graph
from engram.engine.trace import trace

EXACT = {
    "exp": np.exp,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "log_sigmoid": lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))),
}


def _targets():
    """The machine at hand, and the same with narrower vectors."""
    known = host()
    return [
        replace(known, vector_bits=bits) for bits in (128, 256, 512) if bits <= known.vector_bits
    ]


# Cells of which no unit looks at the others within the step.
POINTWISE = [
    name
    for name in CELLS
    if all(node.op not in OVER_UNITS for node in trace(make_cell(name)).nodes)
    and not make_cell(name).late
]
REACH = {torch.float32: 86.0, torch.float64: 700.0}


def _arguments(dtype):
    reach = REACH[dtype]
    parts = [torch.linspace(-reach, reach, 300_001, dtype=torch.float64)]
    parts += [torch.linspace(-10, 10, 500_001, dtype=torch.float64)]
    small = torch.logspace(-30, 1, 200_001, dtype=torch.float64)
    return torch.cat([*parts, small, -small]).to(dtype)


@pytest.mark.slow
@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="needs a wider long double")
@pytest.mark.parametrize("target", _targets(), ids=lambda target: f"{target.vector_bits} bits")
@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", EXACT)
def test_error_in_units_in_the_last_place(name, dtype, target):
    x = _arguments(dtype)
    graph = Graph()
    graph.outputs["y"] = graph.apply(name, graph.input("x"))
    ours = Elementwise(graph, FORMATS[dtype], target)({"x": x})["y"].numpy()
    exact = EXACT[name](x.numpy().astype(np.longdouble))
    normal = np.abs(exact) >= np.finfo(ours.dtype).tiny
    unit = np.spacing(np.abs(exact[normal]).astype(ours.dtype)).astype(np.longdouble)
    error = np.abs(ours[normal].astype(np.longdouble) - exact[normal]) / unit
    assert error.max() <= ERRORS[name]
    assert np.abs(ours[~normal]).max(initial=0.0) <= np.finfo(ours.dtype).tiny


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", [*EXACT, "relu"])
def test_ends_of_the_line(name, dtype):
    x = torch.tensor([torch.nan, torch.inf, -torch.inf, 1e4, -1e4, 0.0, -0.0], dtype=dtype)
    ours = compiled(name, dtype)({"x": x})["y"]
    torch.testing.assert_close(ours, OPERATIONS[name](x), equal_nan=True)


@pytest.mark.slow
@pytest.mark.parametrize("target", _targets(), ids=lambda target: f"{target.vector_bits} bits")
@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", POINTWISE)
def test_step_and_reverse_equal_their_graphs(name, dtype, target):
    torch.manual_seed(0)
    step = trace(make_cell(name))
    operations = OPERATIONS | REVERSE_OPERATIONS
    for graph in (step, derivative(step).graph):
        code = Elementwise(graph, FORMATS[dtype], target)
        for size in (1, 7, 16, 63, 130):
            values = {i: torch.randn(size, dtype=dtype) for i in graph.inputs()}
            expected = graph.evaluate(values, operations)
            computed = code(values)
            for output, value in expected.items():
                wanted = torch.as_tensor(value, dtype=dtype).expand(size)
                torch.testing.assert_close(computed[output], wanted)
