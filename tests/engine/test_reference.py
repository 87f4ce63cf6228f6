"""The reference engine against finite differences, and against loops written out by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch.autograd.gradcheck import GradcheckError

import engram
from engram.cells import CELLS, GRU, LSTM, Cell, RecurrentDropout, Zoneout, make_cell
from engram.cells.language import exp, maximum, minimum, sigmoid, tanh
from engram.engine import reference
from helpers.coverings import covering
from helpers.problems import MARKS, answer, problem
from helpers.tolerances import assert_near


class Minimal(Cell):
    """A minimal gated unit (Zhou et al. 2016) whose gate also sees its own state, unit by unit."""

    gates = ("f", "n")
    weights = ("peephole",)
    forget_gate = "f"

    def step(self, x, r, s, w):
        f = sigmoid(x.f + r.f + w.peephole * s.h)
        return {"h": f * s.h + (1 - f) * tanh(x.n + f * r.n)}


class Feedback(Cell):
    """Two states, and both feed the recurrent matrix."""

    gates = ("a", "b")
    states = ("h", "c")
    recurrent = ("h", "c")

    def step(self, x, r, s, w):
        c = 0.5 * s.c + tanh(x.b + r.b)
        return {"h": sigmoid(x.a + r.a) * c - s.h / 4, "c": c}


class Alone(Cell):
    """No state feeds the recurrent matrix: each unit sees only itself (IndRNN, Li et al. 2018)."""

    gates = ("a",)
    recurrent = ()
    weights = ("u",)

    def step(self, x, r, s, w):
        return {"h": tanh(x.a + r.a + w.u * s.h)}


class Wide(Cell):
    """Uses every operation of the language that the other cells leave out."""

    gates = ("a", "b")

    def step(self, x, r, s, w):
        a, b = x.a + r.a, x.b + r.b
        return {"h": -minimum(exp(-maximum(a, b)), 1 / (2 + a * a)) + s.h / 2}


def _sigmoid(v):
    return 1 / (1 + math.exp(-v))


def _minimal(x, r, s, w, j):
    f = _sigmoid(x["f"][j] + r["f"][j] + w["peephole"][j] * s["h"][j])
    return {"h": f * s["h"][j] + (1 - f) * math.tanh(x["n"][j] + f * r["n"][j])}


def _feedback(x, r, s, w, j):
    c = 0.5 * s["c"][j] + math.tanh(x["b"][j] + r["b"][j])
    return {"h": _sigmoid(x["a"][j] + r["a"][j]) * c - s["h"][j] / 4, "c": c}


def _alone(x, r, s, w, j):
    return {"h": math.tanh(x["a"][j] + r["a"][j] + w["u"][j] * s["h"][j])}


def _wide(x, r, s, w, j):
    a, b = x["a"][j] + r["a"][j], x["b"][j] + r["b"][j]
    return {"h": -min(math.exp(-max(a, b)), 1 / (2 + a * a)) + s["h"][j] / 2}


BY_HAND = {Minimal: _minimal, Feedback: _feedback, Alone: _alone, Wide: _wide}


def _products(matrix, bias, vector):
    return [
        b + sum(m * v for m, v in zip(row, vector, strict=True))
        for row, b in zip(matrix, bias, strict=True)
    ]


def _loop(given, unit, row):
    """One row of the batch with numbers and lists alone; gives h at every step and the state."""
    t = {name: value.tolist() for name, value in given.tensors.items()}
    hidden = len(t["input_bias"]) // len(given.cell.gates)
    state = {name: t[name][row] for name in given.cell.states}
    weights = {name: t[name] for name in given.cell.weights}
    emitted = []
    for features in t["x"]:
        fed = [v for name in given.cell.recurrent for v in state[name]]
        flat_x = _products(t["input"], t["input_bias"], features[row])
        flat_r = _products(t["recurrent"], t["recurrent_bias"], fed)
        cut = {g: slice(k * hidden, (k + 1) * hidden) for k, g in enumerate(given.cell.gates)}
        x, r = ({g: flat[c] for g, c in cut.items()} for flat in (flat_x, flat_r))
        units = [unit(x, r, state, weights, j) for j in range(hidden)]
        state = {name: [u[name] for u in units] for name in state}
        emitted.append(state["h"])
    return emitted, state


@pytest.mark.parametrize("hidden", [1, 3])
@pytest.mark.parametrize("cell", BY_HAND, ids=lambda c: c.__name__)
def test_a_user_cell_equals_the_loop_written_by_hand(cell, hidden):
    given = problem(cell(), hidden=hidden, batch=2, steps=5)
    result = answer(reference.run, given)
    for row in range(2):
        emitted, state = _loop(given, BY_HAND[cell], row)
        expected = {"output": emitted} | {f"final {n}": v for n, v in state.items()}
        actual = {"output": result["output"][:, row]}
        actual |= {f"final {n}": result[f"final {n}"][row] for n in state}
        assert_near(actual, {n: torch.tensor(v, dtype=torch.float64) for n, v in expected.items()})


@pytest.mark.parametrize("cell", BY_HAND, ids=lambda c: c.__name__)
def test_a_user_cell_runs_in_a_stack_of_both_directions(cell):
    layer = engram.Recurrent(cell(), 2, 3, num_layers=2, bidirectional=True, dtype=torch.float64)
    x = torch.randn(6, 4, 2, dtype=torch.float64)
    whole, _ = layer(x, lengths=[6, 2, 4, 1])
    assert whole.shape == (6, 4, 6)
    for row, length in enumerate([6, 2, 4, 1]):
        alone, _ = layer(x[:length, row])
        torch.testing.assert_close(whole[:length, row], alone)
    assert engram.engine_of(layer).engine == "cpu"


def _values(given, names, options):
    """The engine as a function of its tensors, for torch's finite differences."""

    def function(*tensors):
        moved = replace(given, tensors=dict(zip(names, tensors, strict=True)))
        result = reference.run(moved.cell, moved.x, moved.weights, moved.state, **options)
        return (result.output, *result.state.values())

    return function


def _checked(cell, options, check=torch.autograd.gradcheck):
    given = problem(cell, hidden=2, batch=2, steps=3)
    names = list(given.tensors)
    return check(_values(given, names, options), tuple(given.tensors.values()))


ALL_CELLS = {name: make_cell(name) for name in CELLS} | {c.__name__: c() for c in BY_HAND}
ALL_CELLS |= {
    "zoneout": Zoneout(LSTM(), {"h": 0.1, "c": 0.5}),
    "expected zoneout": Zoneout(GRU(), {"h": 0.1}, expected=True),
    "recurrent dropout": RecurrentDropout(LSTM(peepholes=True)),
    "both": Zoneout(RecurrentDropout(GRU(reset="before")), {"h": 0.1}),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "marks", "reverse"),
    covering(list(ALL_CELLS), ["plain", "lengths and reset"], [False, True]),
)
def test_gradients_equal_finite_differences(name, marks, reverse):
    assert _checked(ALL_CELLS[name], MARKS[marks](2, 3) | {"reverse": reverse})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "Minimal"])
def test_second_gradients_equal_finite_differences(name):
    assert _checked(ALL_CELLS[name], MARKS["lengths"](2, 3), torch.autograd.gradgradcheck)


class Cut(Cell):
    """A planted fault: the gradient does not flow back through the state."""

    gates = ("a",)

    def step(self, x, r, s, w):
        return {"h": tanh(x.a + r.a) + s.h.detach() / 2}


def test_finite_differences_find_a_planted_fault():
    with pytest.raises(GradcheckError):
        _checked(Cut(), {})


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", ALL_CELLS)
def test_recording_changes_nothing(name, reverse):
    given = problem(ALL_CELLS[name], hidden=3, batch=5, steps=9)
    options = MARKS["lengths and reset"](5, 9) | {"reverse": reverse}
    recorded = answer(reference.run, given, record=True, **options)
    assert_near(recorded, answer(reference.run, given, **options))
