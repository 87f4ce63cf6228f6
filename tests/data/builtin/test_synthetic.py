"""Synthetic problems: what they ask for can be read off their inputs, by definition."""

import pytest
import torch

from engram.data.builtin.synthetic import (
    adding,
    copy,
    copy_baseline,
    latch,
    latched,
    recalled,
    temporal_order,
    wrong_orders,
    wrong_sums,
)
from engram.errors import ConfigError


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


MAKERS = {
    "adding": lambda g: adding(20, 30, g),
    "copy": lambda g: copy(20, 30, g),
    "temporal-order": lambda g: temporal_order(20, 30, g),
    "temporal-order-3": lambda g: temporal_order(20, 30, g, symbols=3),
    "latch": lambda g: latch(20, 30, g),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_generator_decides_all(name):
    make = MAKERS[name]
    one, same, other = make(_generator()), make(_generator()), make(_generator(1))
    for a, b, c in zip(one, same, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    make(_generator())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("steps", [2, 3, 50, 200])
def test_adding(steps):
    inputs, targets = adding(steps, 4000, _generator())
    numbers, marks = inputs.unbind(dim=2)
    assert inputs.shape == (steps, 4000, 2)
    assert (marks[: steps // 2].sum(0) == 1).all()
    assert (marks[steps // 2 :].sum(0) == 1).all()
    torch.testing.assert_close((numbers * marks).sum(0), targets)
    assert ((numbers >= 0) & (numbers <= 1)).all()
    assert float((targets - 1.0).square().mean()) == pytest.approx(1 / 6, rel=0.1)
    assert all(marks.sum(1) > 0)  # any step may be marked


def test_wrong_sums():
    targets = torch.tensor([1.0, 1.0, 1.0, 1.0])
    assert wrong_sums(torch.tensor([1.03, 0.97, 1.05, 0.0]), targets) == 0.5


@pytest.mark.parametrize("lag", [1, 2, 100])
def test_copy(lag):
    read, said = copy(lag, 500, _generator())
    assert read.shape == said.shape == (lag + 20, 500)
    symbols = read[:10]
    assert torch.equal(symbols, said[-10:])
    assert symbols.unique().tolist() == list(range(1, 9))
    assert (read == 9).sum(0).eq(1).all()
    assert (read[9 + lag] == 9).all()
    assert not said[:-10].any()
    assert not read[10 : 9 + lag].any()
    assert not read[-10:].any()
    # to say blanks and then anything costs the baseline
    scores = torch.full((lag + 20, 500, 10), -1e9)
    scores[:-10, :, 0] = 0.0
    scores[-10:, :, 1:9] = 0.0
    cost = torch.nn.functional.cross_entropy(scores.flatten(0, 1), said.flatten())
    assert float(cost) == pytest.approx(copy_baseline(lag), rel=1e-5)
    assert recalled(torch.nn.functional.one_hot(said, 10), said) == 1.0
    assert recalled(torch.nn.functional.one_hot(said.roll(1, 1), 10), said) < 0.3


@pytest.mark.parametrize("steps", [10, 25, 100])
@pytest.mark.parametrize(("symbols", "starts"), [(2, (0.1, 0.4)), (3, (0.1, 0.3, 0.6))])
def test_temporal_order(symbols, starts, steps):
    inputs, classes = temporal_order(steps, 800, _generator(), symbols=symbols)
    assert inputs.shape == (steps, 800, 6)
    assert torch.equal(inputs.sum(2), torch.ones(steps, 800))
    tokens = inputs.argmax(2)
    assert classes.unique().tolist() == list(range(2**symbols))
    for row in range(800):
        at = (tokens[:, row] < 2).nonzero().flatten().tolist()
        assert len(at) == symbols
        for where, start in zip(at, starts, strict=True):
            assert int(start * steps) <= where < int(start * steps) + steps // 10
        bits = "".join(str(int(tokens[t, row])) for t in at)
        assert int(bits, 2) == int(classes[row])
    assert wrong_orders(torch.nn.functional.one_hot(classes), classes) == 0.0
    assert wrong_orders(torch.zeros(800, 4), classes) == pytest.approx(
        1 - float((classes == 0).double().mean())
    )


def test_latch():
    noise, classes = latch(30, 5000, _generator(), informed=4, noise=0.3)
    assert not noise[:4].any()
    assert float(noise[4:].std()) == pytest.approx(0.3, rel=0.02)
    assert float(classes.double().mean()) == pytest.approx(0.5, abs=0.03)
    final = torch.where(classes == 1, 0.8, -0.8)
    assert latched(final, classes) == 1.0
    assert latched(-final, classes) == 0.0


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda g: adding(1, 2, g),
            "steps is 1, but the adding problem marks two steps; give at least 2",
        ),
        (lambda g: copy(0, 2, g), "lag of the copy problem is 0; it must be at least 1"),
        (
            lambda g: temporal_order(9, 2, g),
            "steps is 9, but temporal order places symbols by tenths; give at least 10",
        ),
        (
            lambda g: temporal_order(20, 2, g, symbols=4),
            "symbols is 4; temporal order accepts 2 or 3",
        ),
        (lambda g: latch(2, 2, g), "steps is 2, but the class is shown in the first 3"),
    ],
)
def test_faults(make, text):
    with pytest.raises(ConfigError) as caught:
        make(_generator())
    assert text in str(caught.value)
