"""The torch engine equals the reference: outputs, final states and all gradients."""

import itertools

import pytest
import torch

from engram.cells import CELLS, LSTM, Cell, make_cell
from engram.cells.language import sigmoid, tanh
from engram.engine import fused, reference
from helpers.coverings import covering
from helpers.problems import MARKS, answer, problem
from helpers.tolerances import TOLERANCES, assert_near

NAMES = [name for name in CELLS if make_cell(name).torch_layer and name != "lstm-np"]
SIZES = list(itertools.product((1, 7), (1, 5), (1, 3, 9)))
DIRECTIONS = [False, True]


@pytest.mark.parametrize(
    ("name", "size", "marks", "reverse", "dtype"),
    covering(NAMES, SIZES, list(MARKS), DIRECTIONS, list(TOLERANCES), together=3),
    ids=str,
)
def test_equals_the_reference(name, size, marks, reverse, dtype):
    hidden, batch, steps = size
    given = problem(make_cell(name), hidden=hidden, batch=batch, steps=steps, dtype=dtype)
    options = MARKS[marks](batch, steps) | {"reverse": reverse}
    assert_near(answer(fused.run, given, **options), answer(reference.run, given, **options))


@pytest.mark.parametrize(("name", "marks", "reverse"), covering(NAMES, list(MARKS), DIRECTIONS))
def test_equals_the_reference_without_biases(name, marks, reverse):
    given = problem(make_cell(name), batch=5, steps=9, bias=False)
    options = MARKS[marks](5, 9) | {"reverse": reverse}
    assert_near(answer(fused.run, given, **options), answer(reference.run, given, **options))


@pytest.mark.parametrize("engine", [fused, reference], ids=["torch", "reference"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("padding", [1e30, float("inf"), float("nan")])
def test_what_stands_in_the_padding_does_not_matter(engine, reverse, padding):
    lengths = torch.tensor([4, 1, 3])
    clean = problem(LSTM(), batch=3, steps=5)
    padded = problem(LSTM(), batch=3, steps=5)
    past = torch.arange(5).unsqueeze(1) >= lengths
    padded.x.data[past] = padding
    options = {"lengths": lengths, "reverse": reverse}
    assert_near(answer(engine.run, padded, **options), answer(engine.run, clean, **options))


@pytest.mark.parametrize("engine", [fused, reference], ids=["torch", "reference"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_marks_in_the_padding_do_not_matter(engine, reverse):
    lengths = torch.tensor([4, 1, 3])
    given = problem(LSTM(), batch=3, steps=5)
    within = torch.zeros(5, 3, dtype=torch.bool)
    within[2, 0] = within[1, 2] = True
    everywhere = within | (torch.arange(5).unsqueeze(1) >= lengths)
    options = {"lengths": lengths, "reverse": reverse}
    assert_near(
        answer(engine.run, given, reset=everywhere, **options),
        answer(engine.run, given, reset=within, **options),
    )


@pytest.mark.parametrize("engine", [fused, reference], ids=["torch", "reference"])
@pytest.mark.parametrize("poison", [float("inf"), float("nan")])
def test_a_reset_clears_even_a_state_that_is_no_longer_finite(engine, poison):
    given = problem(LSTM(), batch=2, steps=3)
    given.tensors["c"].data[0] = poison
    reset = torch.zeros(3, 2, dtype=torch.bool)
    reset[0, 0] = True
    result = engine.run(given.cell, given.x, given.weights, given.state, reset=reset)
    assert result.output.isfinite().all()


def test_resets_of_whole_rows_leave_no_gradient_to_the_initial_state():
    given = problem(make_cell("gru"))
    reset = torch.zeros(4, 2, dtype=torch.bool)
    reset[0, 1] = True
    for engine in (fused, reference):
        gradient = answer(engine.run, given, reset=reset)["gradient of h"]
        assert gradient[0].abs().min() > 0
        assert gradient[1].abs().max() == 0


class WrongLSTM(Cell):
    """LSTM with one fault planted: the cell state reaches the output without its tanh."""

    gates = ("i", "f", "g", "o")
    states = ("h", "c")
    torch_layer = "lstm"

    def step(self, x, r, s, w):
        c = sigmoid(x.f + r.f) * s.c + sigmoid(x.i + r.i) * tanh(x.g + r.g)
        return {"h": sigmoid(x.o + r.o) * c, "c": c}


class WrongGRU(Cell):
    """GRU with one fault planted: the reset gate does not reach the recurrent bias."""

    gates = ("r", "z", "n")
    torch_layer = "gru"

    def step(self, x, r, s, w):
        z = sigmoid(x.z + r.z)
        n = tanh(x.n + sigmoid(x.r + r.r) * x.n + r.n)
        return {"h": (1 - z) * n + z * s.h}


@pytest.mark.parametrize("cell", [WrongLSTM, WrongGRU])
def test_the_comparison_finds_a_planted_fault(cell):
    given = problem(cell())
    with pytest.raises(AssertionError, match="output: Tensor-likes are not close"):
        assert_near(answer(fused.run, given), answer(reference.run, given))


def test_the_comparison_finds_a_gradient_that_was_cut():
    given = problem(LSTM())

    def cut(cell, x, weights, state):
        return reference.run(cell, x, weights, {n: v.detach() + 0 * v for n, v in state.items()})

    with pytest.raises(AssertionError, match="gradient of h: Tensor-likes are not close"):
        assert_near(answer(cut, given), answer(reference.run, given))
