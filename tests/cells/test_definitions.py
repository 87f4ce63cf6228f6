"""Faults of a cell's definition: the text names the cell and the nearest name."""

import pytest
import torch

import engram
from engram.cells import CELLS, Cell, Elman, make_cell
from engram.cells.base import Named
from engram.engine import Weights, reference
from engram.errors import ConfigError


def _step(self, x, r, s, w):
    return {"h": s.h}


def _define(**declared):
    return type("Mine", (Cell,), {"step": _step, **declared})


@pytest.mark.parametrize("declared", [{}, {"gates": ()}])
def test_a_cell_without_gates_is_refused(declared):
    with pytest.raises(ConfigError, match=r'^cell Mine declares no gates; write gates = \("f"'):
        _define(**declared)


DECLARATIONS = {
    "gates twice": (
        {"gates": ("f", "g", "f")},
        "Mine: gates ('f', 'g', 'f') contains a name twice",
    ),
    "states twice": (
        {"gates": ("f",), "states": ("h", "h")},
        "Mine: states ('h', 'h') contains a name twice",
    ),
    "weights twice": (
        {"gates": ("f",), "weights": ("p", "p")},
        "Mine: weights ('p', 'p') contains a name twice",
    ),
    "unknown recurrent": (
        {"gates": ("f",), "states": ("hidden", "memory"), "recurrent": ("hiden",)},
        "Mine: recurrent names 'hiden', which is not among its states; did you mean 'hidden'?",
    ),
    "recurrent left at its default": (
        {"gates": ("f",), "states": ("y",)},
        "Mine: recurrent names 'h', which is not among its states; accepted: y",
    ),
    "wrong forget gate": (
        {"gates": ("forget", "new"), "forget_gate": "forgot"},
        "Mine: forget_gate names 'forgot', which is not among its gates; did you mean 'forget'?",
    ),
    "string for tuple": ({"gates": "fg"}, "Mine: gates is 'fg'; it takes a tuple of names"),
    "list for tuple": ({"gates": ["f"]}, "Mine: gates is ['f']; it takes a tuple of names"),
    "number for name": ({"gates": ("f", 1)}, "Mine: gates is ('f', 1); it takes a tuple of names"),
    "no identifier": (
        {"gates": ("f 1",)},
        "Mine: gates contains 'f 1'; a name starts with a letter",
    ),
    "underscore": ({"gates": ("_f",)}, "Mine: gates contains '_f'; a name starts with a letter"),
    "not connected to no gate": (
        {"gates": ("f",), "unconnected": (("g", "h"),)},
        "Mine: unconnected names 'g', which is not among its gates; accepted: f",
    ),
    "not connected to a state that feeds nothing": (
        {"gates": ("f",), "states": ("h", "c"), "unconnected": (("f", "c"),)},
        "Mine: unconnected names 'c', which is not among its recurrent states; accepted: h",
    ),
    "not connected, without a pair": (
        {"gates": ("f",), "unconnected": ("fh",)},
        "Mine: unconnected is ('fh',); it takes pairs of a gate and a state",
    ),
    "late without such a gate": (
        {"gates": ("f",), "late": ("n",)},
        "Mine: late names 'n', which is not among its gates; accepted: f",
    ),
    "start of no weight": (
        {"gates": ("f",), "weights": ("gain",), "initial_weights": {"gian": 1.0}},
        "Mine: initial_weights names 'gian', which is not among its weights; did you mean 'gain'?",
    ),
    "shift of no weight": (
        {"gates": ("f",), "forget_shift": "shift"},
        "Mine: forget_shift names 'shift', which is not among its weights; accepted:",
    ),
    "no states": ({"gates": ("f",), "states": (), "recurrent": ()}, "Mine declares no states"),
}


@pytest.mark.parametrize("case", DECLARATIONS)
def test_a_wrong_declaration_is_refused(case):
    declared, text = DECLARATIONS[case]
    with pytest.raises(ConfigError) as fault:
        _define(**declared)
    assert text in str(fault.value)


class AsksForGate(Cell):
    gates = ("forget", "new")

    def step(self, x, r, s, w):
        return {"h": x.forgets * s.h}


class AsksForState(Cell):
    gates = ("f",)
    states = ("h", "memory")

    def step(self, x, r, s, w):
        return {"h": x.f, "memory": s.memori}


class AsksForWeight(Cell):
    gates = ("f",)
    weights = ("peephole",)

    def step(self, x, r, s, w):
        return {"h": x.f + w.peepholes * s.h}


class ReturnsTooLittle(Cell):
    gates = ("f",)
    states = ("h", "c")

    def step(self, x, r, s, w):
        return {"h": x.f}


class ReturnsTooMuch(Cell):
    gates = ("f",)

    def step(self, x, r, s, w):
        return {"h": x.f, "c": x.f}


class ReturnsTensor(Cell):
    gates = ("f",)

    def step(self, x, r, s, w):
        return x.f


class StepMissing(Cell):
    gates = ("f",)


class FeedMissing(Cell):
    gates = ("f",)
    late = ("f",)

    step = _step


class FeedsTooLittle(FeedMissing):
    def feed(self, x, r, s, w):
        return {}


STEPS = {
    AsksForGate: (
        "cell AsksForGate: step reads gate 'forgets', which the cell does not declare; "
        "did you mean 'forget'? accepted: forget, new"
    ),
    AsksForState: (
        "cell AsksForState: step reads state 'memori', which the cell does not declare; "
        "did you mean 'memory'? accepted: h, memory"
    ),
    AsksForWeight: (
        "cell AsksForWeight: step reads weight 'peepholes', which the cell does not declare; "
        "did you mean 'peephole'? accepted: peephole"
    ),
    ReturnsTooLittle: (
        "cell ReturnsTooLittle: step returned ['h']; it must return a dict with exactly its "
        "states ['h', 'c']"
    ),
    ReturnsTooMuch: "cell ReturnsTooMuch: step returned ['c', 'h']; it must return a dict",
    ReturnsTensor: "cell ReturnsTensor: step returned no dict; it must return a dict",
}


def _run(cell, record=False):
    gates, units = len(cell.gates), {name: torch.ones(2) for name in cell.weights}
    weights = Weights(torch.ones(gates * 2, 3), torch.ones(gates * 2, 2), units=units)
    state = {name: torch.ones(1, 2) for name in cell.states}
    return reference.run(cell, torch.ones(4, 1, 3), weights, state, record=record)


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("cell", STEPS, ids=lambda c: c.__name__)
def test_a_step_that_departs_from_the_declaration_is_refused(cell, record):
    with pytest.raises(ConfigError) as fault:
        _run(cell(), record)
    assert STEPS[cell] in str(fault.value)


def test_a_cell_without_step_says_so():
    with pytest.raises(NotImplementedError, match="cell StepMissing does not define step"):
        _run(StepMissing())


@pytest.mark.parametrize("record", [False, True])
def test_late_gates_need_a_feed_of_all_that_is_recurrent(record):
    with pytest.raises(NotImplementedError, match=r"FeedMissing has late gates .* define feed"):
        _run(FeedMissing(), record)
    with pytest.raises(ConfigError, match=r"FeedsTooLittle: feed returned \[\]; .* exactly what"):
        _run(FeedsTooLittle(), record)


def test_named_blocks_are_attributes_in_order():
    blocks = Named("Mine", "gate", {"f": 1, "g": 2})
    assert (blocks.f, blocks.g, list(blocks)) == (1, 2, ["f", "g"])


@pytest.mark.parametrize("name", CELLS)
def test_built_in_cells_by_name(name):
    cell = make_cell(name)
    assert isinstance(cell, Cell)
    assert cell.states[0] == "h"


def test_cells_print_the_options_that_differ_from_their_defaults():
    printed = {
        "elman": "Elman()",
        "elman-leaky": "Elman(leak=0.5)",
        "gru-cho": "GRU(reset='before')",
        "lstm": "LSTM()",
        "lstm-nfg": "LSTM(forget_gate=False, peepholes=True)",
    }
    assert {name: repr(make_cell(name)) for name in printed} == printed


@pytest.mark.parametrize("name", CELLS)
def test_a_built_in_cell_is_equal_to_what_it_prints(name):
    again = eval(repr(make_cell(name)), vars(engram.cells))
    assert again == make_cell(name)
    assert hash(again) == hash(make_cell(name))


class Optional(Cell):
    """Declares by its option, so that it is checked when it is put to use."""

    def __init__(self, gates=("a",)):
        self._gates = gates

    @property
    def gates(self):
        return self._gates

    step = _step


@pytest.mark.parametrize(
    ("gates", "text"),
    [
        ((), "cell Optional declares no gates"),
        (("a", "a"), "cell Optional: gates ('a', 'a') contains a name twice"),
        (("h",), "cell Optional: 'h' names both a gate and a state"),
    ],
)
@pytest.mark.parametrize("use", [engram.check_cell, lambda cell: engram.Recurrent(cell, 2, 3)])
def test_a_declaration_that_depends_on_options_is_checked_when_it_is_used(gates, text, use):
    with pytest.raises(ConfigError) as fault:
        use(Optional(gates))
    assert text in str(fault.value)
    assert engram.Recurrent(Optional(), 2, 3)(torch.ones(4, 1, 2))[0].shape == (4, 1, 3)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"cell 'lstn' is not known: did you mean 'lstm'\?"):
        make_cell("lstn")
    with pytest.raises(ConfigError, match=r"Elman\(activation='tanch'\): did you mean 'tanh'?"):
        Elman("tanch")
