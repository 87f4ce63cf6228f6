"""What only large problems come to: several pieces, several rounds of products, streamed gates."""

import pytest
import torch

from engram.cells import make_cell
from engram.engine import reference
from engram.engine.compiled import operator
from engram.engine.cpu.runtime import passes, weight_gradients
from engram.engine.cpu.runtime.kernels import kernels_for
from helpers.coverings import covering
from helpers.problems import MARKS, answer, problem
from helpers.tolerances import assert_near

BATCH, STEPS = 37, 15  # more rows in a step, and in all, than are copied together


@pytest.mark.parametrize(
    ("name", "marks", "reverse", "piece"),
    covering(["lstm", "gru"], list(MARKS), [False, True], [40 * 1024, 4 * 1024 * 1024]),
)
def test_products_over_many_rows(name, marks, reverse, piece, monkeypatch):
    monkeypatch.setattr(passes, "_PIECE", piece)
    monkeypatch.setattr(passes, "_PIECE_ROWS", 1)
    given = problem(make_cell(name), hidden=19, batch=BATCH, steps=STEPS, features=21)
    options = MARKS[marks](BATCH, STEPS) | {"reverse": reverse}
    expected = answer(reference.run, given, **options)
    assert_near(answer(operator.run, given, **options), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("marks", ["plain", "lengths and reset"])
@pytest.mark.parametrize("name", ["lstm", "gru", "lstm-layer-norm"])
def test_gates_that_stream_past_the_caches_are_the_same(name, marks, dtype, monkeypatch):
    given = problem(make_cell(name), hidden=32, batch=BATCH, steps=STEPS, features=5, dtype=dtype)
    options = MARKS[marks](BATCH, STEPS)
    kept = answer(operator.run, given, **options)
    monkeypatch.setattr(passes, "_KEPT_TO_STREAM", 0)
    streamed = answer(operator.run, given, **options)
    assert all(torch.equal(streamed[part], kept[part]) for part in kept)
    kernels = kernels_for(operator.cell_name(given.cell), dtype)
    assert any("streaming" in made.name for made in kernels.made) == kernels.target.is_x86


@pytest.mark.slow
@pytest.mark.parametrize(
    ("most", "name", "marks"), covering([0, 10**9], ["lstm", "lstm-layer-norm"], list(MARKS))
)
def test_two_threads_sum_up_by_lines_or_by_rows(most, name, marks, monkeypatch):
    monkeypatch.setattr(weight_gradients, "_SUMS_BY_ROWS", most)
    monkeypatch.setattr(passes, "_PIECE", 40 * 1024)
    monkeypatch.setattr(passes, "_PIECE_ROWS", 1)
    torch.set_num_threads(2)
    given = problem(make_cell(name), hidden=19, batch=BATCH, steps=STEPS, features=21)
    options = MARKS[marks](BATCH, STEPS)
    found = answer(operator.run, given, **options)
    assert_near(found, answer(reference.run, given, **options))
    again = answer(operator.run, given, **options)
    assert all(torch.equal(again[part], found[part]) for part in found)


def test_gates_that_are_no_whole_vectors_are_not_streamed(monkeypatch):
    monkeypatch.setattr(passes, "_KEPT_TO_STREAM", 0)
    given = problem(make_cell("elman"), hidden=31, batch=9, steps=3)
    expected = answer(reference.run, given)
    assert_near(answer(operator.run, given), expected)
