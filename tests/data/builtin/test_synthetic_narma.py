"""NARMA10: its recurrence is computed again, number by number."""

import pytest
import torch

from engram.data.builtin.synthetic import narma, narma10, nrmse
from engram.errors import ConfigError


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_values_follow_from_inputs():
    inputs, targets = narma10(60, 3, _generator())
    assert inputs.shape == targets.shape == (60, 3)
    assert float(inputs.min()) >= 0.0
    assert float(inputs.max()) <= 0.5
    for row in range(3):
        u = {t: float(x) for t, x in enumerate(inputs[:, row])}
        y = {0: 0.0}
        for t in range(60):
            past = sum(y.get(t - i, 0.0) for i in range(10))
            product = u.get(t - 9, 0.0) * u[t]
            y[t + 1] = 0.3 * y[t] + 0.05 * y[t] * past + 1.5 * product + 0.1
            assert float(targets[t, row]) == pytest.approx(y[t + 1], rel=1e-5)


def test_the_generator_decides_all():
    one, same, other = (narma10(30, 4, _generator(seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one[0], other[0])


def test_series_that_leave_all_bounds_are_drawn_again(monkeypatch):
    """With a bound that about half of the series pass, so that it happens at all."""
    monkeypatch.setattr(narma, "_BOUND", 0.6)
    inputs, targets = narma10(50, 400, _generator())
    assert float(targets.max()) < 0.6
    monkeypatch.setattr(narma, "_BOUND", torch.inf)
    first, free = narma10(50, 400, _generator())
    lost = free.amax(0) >= 0.6
    assert 50 < int(lost.sum()) < 350
    assert torch.equal(inputs[:, ~lost], first[:, ~lost])


def test_nrmse():
    targets = torch.tensor([1.0, 2.0, 3.0, 6.0])
    assert nrmse(targets.mean().expand(4), targets) == pytest.approx(1.0)
    assert nrmse(targets + 1.0, targets) == pytest.approx(1.0 / 3.5**0.5)


def test_no_steps_are_a_fault():
    with pytest.raises(ConfigError, match="steps is 0; NARMA10 needs at least 1"):
        narma10(0, 2, _generator())


def test_where_no_series_stays_within_bounds_it_is_a_fault(monkeypatch):
    monkeypatch.setattr(narma, "_BOUND", 0.05)
    with pytest.raises(ConfigError, match=r"hardly any inputs .* for 20 steps; use fewer"):
        narma10(20, 2, _generator())
