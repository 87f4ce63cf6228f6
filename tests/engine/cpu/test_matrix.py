"""Products on a matrix unit: the contract of the kernels, and that three parts lose nothing."""

import pytest
import torch

from engram.engine import reference
from engram.engine.compiled import operator
from engram.engine.cpu.codegen.matrix import depth, split_bytes
from engram.engine.cpu.runtime import passes, weight_gradients
from engram.engine.cpu.runtime.kernels import kernels_for
from helpers.abilities import needs_matrix_unit
from helpers.cells_of_every_kind import OF_EVERY_KIND
from helpers.problems import MARKS, answer, problem
from helpers.tolerances import assert_near, assert_within_the_stated_error

pytestmark = needs_matrix_unit

SIZES = [(33, 37, 3, 5), (7, 16, 4, 40), (96, 23, 2, 33), (16, 1, 3, 1)]  # H, B, T, I
NAMES = list(OF_EVERY_KIND)


@pytest.fixture(autouse=True)
def everything_there(monkeypatch):
    """However small it is."""
    monkeypatch.setattr(passes, "_ROWS_FOR_MATRIX", 0)
    monkeypatch.setattr(weight_gradients, "_COLUMNS_FOR_MATRIX", 0)


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)


def _problem(name, size, dtype=torch.float32):
    hidden, batch, steps, features = size
    return problem(
        OF_EVERY_KIND[name],
        hidden=hidden,
        batch=batch,
        steps=steps,
        features=features,
        dtype=dtype,
    )


def _both(name, size, marks="plain", reverse=False):
    given = _problem(name, size)
    options = MARKS[marks](size[1], size[2]) | {"reverse": reverse}
    return answer(operator.run, given, **options), answer(reference.run, given, **options)


@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("name", NAMES)
def test_equals_the_reference(name, marks):
    place = NAMES.index(name) + list(MARKS).index(marks)
    assert_near(*_both(name, SIZES[place % len(SIZES)], marks, reverse=place % 3 == 0))


@pytest.mark.parametrize("least", [0, 10**9], ids=["by units", "by rows"])
@pytest.mark.parametrize("name", ["lstm", "gru", "TwoFeedBack", "Normalised"])
def test_on_two_threads(name, least, two_threads, monkeypatch):
    monkeypatch.setattr(passes, "_WEIGHTS_TO_SPLIT", least)
    for size in SIZES[:3]:
        assert_near(*_both(name, size, "lengths and reset"))


@pytest.mark.parametrize("rows", [1, 64])
def test_gradients_of_sums_by_rows_and_by_gates(rows, two_threads, monkeypatch):
    monkeypatch.setattr(weight_gradients, "_SUMS_BY_ROWS", 0 if rows == 1 else 10**9)
    monkeypatch.setattr(weight_gradients, "_ROOM", 64)
    monkeypatch.setattr(passes, "_PIECE", 40 * 4 * 33 * 4)
    monkeypatch.setattr(passes, "_PIECE_ROWS", 1)
    assert_near(*_both("lstm", (33, 37, 5, 5)))


def test_kernels_are_those_of_the_matrix_unit():
    given = _problem("elman", SIZES[0])
    answer(operator.run, given)
    made = [each.name for each in kernels_for(operator.cell_name(given.cell), torch.float32).made]
    assert {"panels, matrix", "products, matrix"} <= set(made)
    assert any(name.startswith("forward") and name.endswith("matrix") for name in made)
    assert any(name.startswith("backward") and name.endswith("matrix") for name in made)


@pytest.mark.parametrize("name", ["lstm", "gru", "lstm-peephole"])
def test_within_the_stated_error_at_a_hundred_steps(name):
    size = 64, 24, 100, 16
    exact, rounded = _problem(name, size, torch.float64), _problem(name, size)
    for key, tensor in rounded.tensors.items():
        exact.tensors[key].data.copy_(tensor)
    assert_within_the_stated_error(answer(operator.run, rounded), answer(reference.run, exact))


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_numbers_of_any_size(scale):
    """Weights make up for the size of the inputs, so that the sums are ordinary."""
    given = _problem("elman", SIZES[0])
    given.tensors["x"].data *= scale
    given.tensors["input"].data /= scale
    ours, expected = answer(operator.run, given), answer(reference.run, given)
    torch.testing.assert_close(ours["output"], expected["output"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF - 2**32, 0x7F800001])
def test_what_is_not_a_number_stays_in_its_row(bits):
    given = _problem("lstm", SIZES[0])
    whole = operator.run(given.cell, given.x, given.weights, given.state).output
    given.tensors["x"].data[1, 3, 2] = torch.tensor(bits, dtype=torch.int32).view(torch.float32)
    output = operator.run(given.cell, given.x, given.weights, given.state).output
    assert output[1:, 3].isnan().all()
    others = [row for row in range(37) if row != 3]
    assert torch.equal(output[:, others], whole[:, others])
    assert torch.equal(output[0], whole[0])


def test_a_row_is_the_same_in_any_batch():
    given = _problem("lstm", (33, 37, 3, 5))
    state = given.state
    whole = operator.run(given.cell, given.x, given.weights, state).output
    for low, high in ((0, 1), (3, 20), (5, 37)):
        own = {name: value[low:high] for name, value in state.items()}
        part = operator.run(given.cell, given.x[:, low:high], given.weights, own).output
        assert torch.equal(part, whole[:, low:high])


def test_the_same_numbers_twice(two_threads):
    given = _problem("lstm", (96, 37, 4, 33))
    first, second = answer(operator.run, given), answer(operator.run, given)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_planted_fault_is_found(monkeypatch):
    right = passes.pack
    monkeypatch.setattr(passes, "pack", lambda *given: right(*given).roll(1))
    with pytest.raises(AssertionError):
        assert_near(*_both("lstm", SIZES[0]))


def test_room_for_parts():
    assert [depth(count) for count in (0, 1, 32, 33)] == [0, 1, 1, 2]
    assert split_bytes(17, [32, 5]) == 2 * 2 * 3 * 1024
