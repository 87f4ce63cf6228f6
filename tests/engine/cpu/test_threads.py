"""Threads: results that do not depend on their number beyond rounding, and never on chance."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import engram.engine.cpu.runtime.passes  # noqa: F401
from engram.cells import make_cell
from engram.engine.compiled import operator
from engram.engine.cpu.runtime import team
from helpers import children
from helpers.problems import answer, problem, row_lengths

# one row splits its units over the threads, many rows split themselves
BATCHES = [1, 3, 12]


def _problem(batch, cell="lstm", features=5):
    return problem(
        make_cell(cell), hidden=80, batch=batch, steps=7, features=features, dtype=torch.float32
    )


# minGRU's threads do not wait for each other, unless the input's gradient, of many features, needs
# the gradients of all units; a cell that looks at whole rows has threads share its rows
@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "features"),
    [("lstm", 5), ("mingru", 5), ("mingru", 64), ("lstm-layer-norm", 5), ("lstm-layer-norm", 64)],
)
@pytest.mark.parametrize("batch", BATCHES)
def test_two_threads_as_one_and_the_same_each_time(batch, cell, features):
    given = _problem(batch, cell, features)
    for options in ({}, {"lengths": row_lengths(batch, 7)}):
        torch.set_num_threads(1)
        one = answer(operator.run, given, **options)
        torch.set_num_threads(2)
        two = answer(operator.run, given, **options)
        for name, value in one.items():
            torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-5)
        for _ in range(3):
            again = answer(operator.run, given, **options)
            assert all(torch.equal(again[name], value) for name, value in two.items())


@pytest.mark.parametrize("batch", BATCHES)
def test_without_torchs_threads(batch, monkeypatch):
    given = _problem(batch)
    torch.set_num_threads(2)
    expected = answer(operator.run, given)
    monkeypatch.setattr(team, "_openmp", lambda: None)
    team.team.cache_clear()
    try:
        ours = answer(operator.run, given)
    finally:
        team.team.cache_clear()
    assert all(torch.equal(ours[name], value) for name, value in expected.items())


def test_many_callers_at_once():
    torch.set_num_threads(2)
    problems = [_problem(batch) for batch in BATCHES * 4]
    expected = [answer(operator.run, given) for given in problems]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda given: answer(operator.run, given), problems))
    for ours, wanted in zip(found, expected, strict=True):
        for name, value in wanted.items():
            torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-5)


FORKING = """
import os, sys, torch, engram
torch.set_num_threads(2)
layer, x = engram.LSTM(4, 80), torch.randn(9, 12, 4)
with torch.no_grad():
    expected = layer(x)[0]
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        os._exit(0 if torch.allclose(layer(x)[0], expected, atol=1e-5) else 7)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_in_a_process_that_was_forked_off(tmp_path):
    printed = tmp_path / "printed"
    children.ended_well(children.python(FORKING, printed), printed)
