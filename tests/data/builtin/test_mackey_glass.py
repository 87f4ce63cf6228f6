"""The series of Mackey and Glass: the solution of its equation, whatever the step."""

import numpy as np
import pytest

from engram.data.builtin import mackey_glass as module
from engram.data.builtin.mackey_glass import mackey_glass
from engram.errors import ConfigError


def test_a_finer_step_changes_little(monkeypatch):
    """On the first steps: later, chaos makes much of any error.

    The start has a kink, which the cubic does not see, and which comes back after each delay.
    """
    monkeypatch.setattr(module, "_DISCARDED", 0)
    coarse, fine = (mackey_glass(60, runs=3, substeps=count) for count in (10, 40))
    assert coarse.shape == (60, 3)
    np.testing.assert_allclose(coarse, fine, atol=5e-5)


@pytest.mark.slow
def test_the_equation_holds():
    series = mackey_glass(800, substeps=20, seed=2)[:, 0]
    # fourth-order differences of the series at t = 0, 1, 2, …
    slope = (series[:-4] - 8 * series[1:-3] + 8 * series[3:-1] - series[4:]) / 12.0
    middle = np.arange(17, len(series) - 2)
    then, now = series[middle - 17], series[middle]
    expected = 0.2 * then / (1.0 + then**10) - 0.1 * now
    np.testing.assert_allclose(slope[middle - 2], expected, atol=5e-4)
    assert 0.2 < series.min() < series.max() < 1.5
    assert series.std() == pytest.approx(0.23, abs=0.02)


@pytest.mark.slow
def test_runs_differ_and_seeds_repeat():
    two = mackey_glass(50, runs=2)
    assert np.abs(two[:, 0] - two[:, 1]).max() > 1e-3
    np.testing.assert_array_equal(mackey_glass(50, runs=2), two)
    assert not np.array_equal(mackey_glass(50, runs=2, seed=1), two)


def test_numbers_below_one_are_refused():
    with pytest.raises(ConfigError, match="tau is 0; it must be a whole number of at least 1"):
        mackey_glass(10, tau=0)
