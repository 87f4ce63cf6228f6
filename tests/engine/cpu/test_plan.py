"""Plans: where the kernels of a cell keep each value, and what they know of its gates."""

import pytest

import engram.engine.cpu.runtime.passes  # noqa: F401
from engram.cells import Cell
from engram.cells.language import sigmoid, tanh
from engram.engine import reference
from engram.engine.compiled import operator
from engram.engine.compiled.plan import Place, plan
from helpers.cells_of_every_kind import OF_EVERY_KIND
from helpers.problems import MARKS, answer, problem
from helpers.tolerances import assert_near


class Twice(Cell):
    """Both gates reach one activation, and both states are one value."""

    gates = ("a", "b")
    states = ("h", "k")

    def step(self, x, r, s, w):
        both = tanh(x.a + r.a + x.b + r.b - s.k)
        return {"h": both, "k": both}


class Bare(Cell):
    """No gate has an activation, and one is not used."""

    gates = ("a", "b")
    states = ("h", "k")

    def step(self, x, r, s, w):
        return {"h": (x.a + r.a) * s.k, "k": s.h}


class Apart(Cell):
    """The parts of the gate are added, but one is used by itself as well."""

    gates = ("a",)

    def step(self, x, r, s, w):
        return {"h": tanh(x.a + r.a) + 0.5 * r.a}


class Swapped(Cell):
    """The states change places, unit by unit."""

    gates = ("a",)
    states = ("h", "k")

    def step(self, x, r, s, w):
        return {"h": s.k, "k": sigmoid(x.a + r.a) * s.h}


class Repeated(Cell):
    """A gate reaches two activations, and the first of them is written once more at the end."""

    gates = ("a",)
    states = ("h", "k")

    def step(self, x, r, s, w):
        h = sigmoid(x.a + r.a) * s.h + tanh(x.a + r.a) * s.k
        return {"h": h, "k": sigmoid(x.a + r.a)}


ODD = {kind.__name__: kind() for kind in (Twice, Bare, Apart, Swapped, Repeated)}
CELLS = OF_EVERY_KIND | ODD


def _op(drawn, node):
    """The operation of a node, or its name where it is an input."""
    found = drawn.graph.nodes[node]
    return found.name or found.op


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("lstm", ["sigmoid", "sigmoid", "tanh", "sigmoid"]),
        ("gru", ["sigmoid", "sigmoid", "tanh"]),
        ("elman", ["tanh"]),
        ("Twice", ["tanh", "tanh"]),
        ("Bare", ["add", "add"]),
        ("NoFeedback", ["tanh"]),
        ("Swapped", ["sigmoid"]),
    ],
)
def test_what_is_seen_of_each_gate(name, seen):
    drawn = plan(CELLS[name])
    assert [_op(drawn, node) for node in drawn.seen] == seen


@pytest.mark.parametrize("name", CELLS)
def test_a_gate_is_seen_in_its_own_block_unless_something_is_there(name):
    drawn = plan(CELLS[name])
    assert set(drawn.seen) <= set(drawn.kept)
    for gate, node in enumerate(drawn.seen):
        place = drawn.kept[node]
        taken = [n for n, other in drawn.kept.items() if other == Place("gate", gate)]
        if place.kind == "extra" and node not in drawn.recorded:
            # what the input brought to it is needed, and stays
            assert [_op(drawn, n) for n in taken] == [f"x.{drawn.gates[gate]}"]
        elif place.kind == "gate":
            assert drawn.seen[place.index] == node


@pytest.mark.parametrize("name", CELLS)
def test_what_the_input_brought_stays_where_it_is(name):
    drawn = plan(CELLS[name])
    for node, place in drawn.kept.items():
        operation = _op(drawn, node)
        if operation.startswith("x.") and place.kind != "state":
            assert place == Place("gate", drawn.gates.index(operation[2:]))


@pytest.mark.parametrize("name", CELLS)
def test_states_are_not_kept_twice(name):
    drawn = plan(CELLS[name])
    for node in drawn.after:
        assert node not in drawn.kept or drawn.kept[node].kind == "state"


@pytest.mark.parametrize("name", CELLS)
def test_buffers_are_numbered_without_gaps(name):
    drawn = plan(CELLS[name])
    with_recorded = drawn.blocks(recording=True) - len(drawn.gates)
    for places, extras in ((drawn.stored, drawn.extras), (drawn.kept, with_recorded)):
        for kind, count in (("extra", extras), ("row", drawn.rows)):
            indices = [place.index for place in places.values() if place.kind == kind]
            assert sorted(indices) == list(range(count))
    blocks = [place.index for place in drawn.kept.values() if place.kind == "gate"]
    assert set(blocks) <= set(range(len(drawn.gates)))


@pytest.mark.parametrize("name", CELLS)
def test_one_number_a_row_is_kept_only_where_all_units_have_the_same(name):
    drawn = plan(CELLS[name])
    same = drawn.graph.same
    for node, place in drawn.kept.items():
        assert place.kind != "row" or node in same


def test_the_lstm_keeps_its_gates_and_c_alone():
    drawn = plan(CELLS["lstm"])
    gates = {node: Place("gate", gate) for gate, node in enumerate(drawn.seen)}
    assert dict(drawn.kept) == gates | {drawn.after[1]: Place("state", 1)}


def test_activations_that_can_be_made_of_what_is_stored_are_kept_for_a_recording_alone():
    drawn = plan(CELLS["lstm-layer-norm"])
    parts = {_op(drawn, n) for n, p in drawn.stored.items() if p.kind in ("gate", "extra")}
    assert parts == {f"{part}.{gate}" for part in "xr" for gate in "ifgo"}
    assert drawn.recorded == set(drawn.seen)
    assert (drawn.blocks(recording=False), drawn.blocks(recording=True)) == (8, 12)


@pytest.mark.parametrize(
    ("name", "joined", "apart"),
    [
        ("lstm", True, False),
        ("gru", False, True),
        ("elman", True, False),
        ("Twice", False, False),
        ("Bare", True, False),
        ("Apart", False, True),
        ("Swapped", True, False),
        ("lstm-peephole", True, False),
        ("NoFeedback", False, True),
    ],
)
def test_whether_gates_come_joined_and_gradients_apart(name, joined, apart):
    drawn = plan(CELLS[name])
    assert (drawn.joined, drawn.apart) == (joined, apart)


@pytest.mark.parametrize("name", CELLS)
def test_gates_that_come_joined_have_one_gradient(name):
    drawn = plan(CELLS[name])
    assert not (drawn.joined and drawn.apart)


def test_another_constant_is_another_plan():
    def halved(by):
        def step(self, x, r, s, w):
            return {"h": tanh(x.a + r.a) * by}

        return type("Halved", (Cell,), {"gates": ("a",), "step": step})()

    assert plan(halved(0.5)).name == plan(halved(0.5)).name
    assert plan(halved(0.5)).name != plan(halved(0.25)).name


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("marks", ["plain", "lengths and reset"])
@pytest.mark.parametrize("name", ODD)
def test_odd_cells_equal_the_reference(name, marks, reverse):
    given = problem(ODD[name], hidden=17, batch=5, steps=3)
    options = MARKS[marks](5, 3) | {"reverse": reverse}
    assert_near(answer(operator.run, given, **options), answer(reference.run, given, **options))


@pytest.mark.parametrize("name", ODD)
def test_odd_cells_record_what_the_reference_records(name):
    given = problem(ODD[name], hidden=7, batch=3, steps=2)
    run = given.cell, given.x, given.weights, given.state
    ours, expected = operator.run(*run, record=True), reference.run(*run, record=True)
    assert_near(ours.recording, {n: v.detach() for n, v in expected.recording.items()})
