"""What a recording of gates holds, for each form that a step can take."""

import pytest
import torch

from engram.cells import Cell
from engram.cells.language import exp, maximum, relu, sigmoid, tanh
from engram.engine import reference
from helpers.problems import problem


def _recorded(write):
    """Record one step of a cell whose equation is `write`; give gates, and a, b, h and p."""

    def step(self, x, r, s, w):
        return {"h": write(x, r, s, w)}

    body = {"gates": ("a", "b"), "weights": ("p",), "step": step}
    given = problem(type("Written", (Cell,), body)(), steps=1)
    weights, h = given.weights, given.state["h"]
    result = reference.run(given.cell, given.x, weights, given.state, record=True)
    from_x = given.x[0] @ weights.input.T + weights.input_bias
    from_h = h @ weights.recurrent.T + weights.recurrent_bias
    return result.recording, (*(from_x + from_h).chunk(2, dim=1), h, weights.units["p"])


FORMS = {
    "activation of a sum": (
        lambda x, r, s, w: sigmoid(x.a + r.a) * tanh(x.b + r.b),
        lambda a, b, s, p: (torch.sigmoid(a), torch.tanh(b)),
    ),
    "with a peephole": (
        lambda x, r, s, w: sigmoid(x.a + r.a + w.p * s.h) * relu(x.b + r.b),
        lambda a, b, s, p: (torch.sigmoid(a + p * s), torch.relu(b)),
    ),
    "negated and scaled": (
        lambda x, r, s, w: exp(-(x.a + r.a)) + tanh((x.b + r.b) / 2),
        lambda a, b, s, p: (torch.exp(-a), torch.tanh(b / 2)),
    ),
    "from the right": (
        lambda x, r, s, w: sigmoid(1 - (x.a + r.a)) + tanh(2 / (3 + x.b + r.b)),
        lambda a, b, s, p: (torch.sigmoid(1 - a), torch.tanh(2 / (3 + b))),
    ),
    "through maximum": (
        lambda x, r, s, w: sigmoid(maximum(x.a + r.a, s.h)) - tanh(x.b + r.b),
        lambda a, b, s, p: (torch.sigmoid(torch.maximum(a, s)), torch.tanh(b)),
    ),
    "without activation": (
        lambda x, r, s, w: sigmoid(x.a + r.a) * s.h + (x.b + r.b),
        lambda a, b, s, p: (torch.sigmoid(a), b),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_gates_as_they_were_used(form):
    write, expected = FORMS[form]
    gates, values = _recorded(write)
    for name, value in zip(("a", "b"), expected(*values), strict=True):
        torch.testing.assert_close(gates[name][0], value)


def test_an_engine_that_does_not_record_gives_no_recording():
    given = problem(type("One", (Cell,), {"gates": ("a",), "step": _keep})())
    assert reference.run(given.cell, given.x, given.weights, given.state).recording == {}


def _keep(self, x, r, s, w):
    return {"h": tanh(x.a + r.a)}
