"""The contract table of the kernels: outputs, final states and every gradient as the reference."""

import itertools
from dataclasses import replace

import pytest
import torch

from engram.engine import reference
from engram.engine.compiled import operator
from engram.engine.compiled.names import plan_of
from engram.engine.cpu.codegen.target import host
from engram.engine.cpu.runtime import passes
from engram.engine.cpu.runtime.kernels import Kernels
from helpers.abilities import need_vectors_of
from helpers.cells_of_every_kind import OF_EVERY_KIND, OTHER_BUILT_IN
from helpers.coverings import covering
from helpers.problems import MARKS, answer, problem
from helpers.tolerances import assert_near, assert_within_the_stated_error

SIZES = [(1, 1, 1), (7, 5, 3), (63, 9, 3), (16, 1, 6), (33, 2, 4), (128, 26, 2)]  # H, B, T
NAMES = list(OF_EVERY_KIND)
ALL_CELLS = OF_EVERY_KIND | OTHER_BUILT_IN
by_all_kinds = pytest.mark.parametrize(
    ("name", "marks", "reverse"), covering(NAMES, list(MARKS), [False, True])
)


def _both(name, sizes, marks, reverse, dtype, **options):
    hidden, batch, steps = sizes
    given = problem(
        ALL_CELLS[name], hidden=hidden, batch=batch, steps=steps, features=5, dtype=dtype
    )
    options |= MARKS[marks](batch, steps) | {"reverse": reverse}
    return answer(operator.run, given, **options), answer(reference.run, given, **options)


@by_all_kinds
def test_equals_the_reference(name, marks, reverse):
    place = NAMES.index(name) + list(MARKS).index(marks)
    for shift, dtype in itertools.product(range(3), (torch.float32, torch.float64)):
        sizes = SIZES[(place + 2 * shift + reverse) % len(SIZES)]
        assert_near(*_both(name, sizes, marks, reverse, dtype))


@pytest.mark.parametrize("name", OTHER_BUILT_IN)
def test_other_built_in_cells_equal_the_reference(name):
    size = SIZES[list(OTHER_BUILT_IN).index(name) % len(SIZES)]
    assert_near(*_both(name, size, "short and reset", True, torch.float64))
    assert_near(*_both(name, (33, 2, 4), "plain", False, torch.float32))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", ["lstm", "lstm-peephole", "NoFeedback"])
def test_without_biases(name, bias):
    given = problem(OF_EVERY_KIND[name], hidden=7, bias=bias)
    assert_near(answer(operator.run, given), answer(reference.run, given))


@pytest.mark.parametrize("from_input", [False, True])
@pytest.mark.parametrize("piece", [1, 10**9])
@pytest.mark.parametrize("name", ["lstm", "gru", "TwoFeedBack", "Normalised"])
def test_in_pieces_and_with_either_product(name, piece, from_input, monkeypatch):
    """Gates in pieces of one step, and of all; the input's product in the kernel, and before it."""
    monkeypatch.setattr(passes, "_PIECE", piece)
    monkeypatch.setattr(passes, "_PIECE_ROWS", 1)
    monkeypatch.setattr(passes, "_ROWS_FOR_INPUT", 1 if from_input else 10**9)
    for marks, reverse in itertools.product(["plain", "lengths and reset"], [False, True]):
        assert_near(*_both(name, (48, 5, 4), marks, reverse, torch.float64))


@pytest.mark.parametrize("name", NAMES)
def test_without_gradients_as_with_them(name):
    """Nothing is kept then, and states that do not feed back are written over one another."""
    for reverse, marks in itertools.product([False, True], MARKS):
        given = problem(OF_EVERY_KIND[name], hidden=17, batch=5, steps=4, dtype=torch.float64)
        options = MARKS[marks](5, 4) | {"reverse": reverse}
        kept = operator.run(given.cell, given.x, given.weights, given.state, **options)
        with torch.no_grad():
            bare = operator.run(given.cell, given.x, given.weights, given.state, **options)
        torch.testing.assert_close(bare.output, kept.output)
        torch.testing.assert_close(bare.state, kept.state)


@by_all_kinds
def test_records_what_the_reference_records(name, marks, reverse):
    given = problem(OF_EVERY_KIND[name], hidden=18, batch=5, steps=4)
    options = MARKS[marks](5, 4) | {"reverse": reverse, "record": True}
    run = given.cell, given.x, given.weights, given.state
    ours, expected = operator.run(*run, **options), reference.run(*run, **options)
    assert_near(ours.recording, {n: v.detach() for n, v in expected.recording.items()})
    assert not any(value.requires_grad for value in ours.recording.values())


@pytest.mark.parametrize("name", ["lstm", "lstm-layer-norm", "slstm"])
def test_a_recording_changes_no_gradient(name):
    """More is kept for it, and the reverse starts from the same."""
    given = problem(OF_EVERY_KIND[name], hidden=18, batch=5, steps=4)
    recorded = answer(operator.run, given, record=True)
    for key, value in answer(operator.run, given).items():
        assert torch.equal(recorded[key], value)


def test_within_the_stated_error_at_a_hundred_steps():
    for cell in (OF_EVERY_KIND["lstm"], OF_EVERY_KIND["gru"], OF_EVERY_KIND["lstm-peephole"]):
        exact = problem(cell, hidden=64, batch=8, steps=100, features=16)
        rounded = problem(cell, hidden=64, batch=8, steps=100, features=16, dtype=torch.float32)
        for name, tensor in rounded.tensors.items():
            exact.tensors[name].data.copy_(tensor)
        assert_within_the_stated_error(answer(operator.run, rounded), answer(reference.run, exact))


def test_a_planted_fault_is_found(monkeypatch):
    """The table is worth something only if it fails when a weight is read from the wrong place."""
    right = passes.pack
    monkeypatch.setattr(passes, "pack", lambda *given: right(*given).roll(1))
    with pytest.raises(AssertionError):
        assert_near(*_both("lstm", (16, 5, 3), "plain", False, torch.float64))


@pytest.mark.parametrize(("bits", "registers"), [(128, 16), (256, 16), (256, 32)])
@pytest.mark.parametrize("name", ["lstm", "gru", "elman", "TwoFeedBack", "Normalised"])
def test_with_narrower_vectors(name, bits, registers, monkeypatch):
    need_vectors_of(bits)
    narrow = replace(host(), vector_bits=bits, registers=registers)
    made = {}

    def kernels_for(name, dtype):
        if dtype not in made:
            made[dtype] = Kernels(plan_of(name), dtype, narrow)
        return made[dtype]

    monkeypatch.setattr(passes, "kernels_for", kernels_for)
    for dtype, batch in itertools.product((torch.float32, torch.float64), (1, 7)):
        assert_near(*_both(name, (19, batch, 3), "lengths and reset", True, dtype))
