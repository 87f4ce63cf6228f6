"""The language of steps: on tensors it is torch's operations, on symbols it hands them over."""

import pytest
import torch

from engram.cells import language

CASES = {
    "sigmoid": lambda a, b: 1 / (1 + (-a).exp()),
    "tanh": lambda a, b: (a.exp() - (-a).exp()) / (a.exp() + (-a).exp()),
    "relu": lambda a, b: torch.where(a > 0, a, torch.zeros_like(a)),
    "identity": lambda a, b: a + 0,
    "exp": lambda a, b: torch.e**a,
    "log_sigmoid": lambda a, b: (1 / (1 + (-a).exp())).log(),
    "maximum": lambda a, b: torch.where(a > b, a, b),
    "minimum": lambda a, b: torch.where(a > b, b, a),
    "sqrt": lambda a, b: a**0.5,
    "sum": lambda a, b: a @ torch.ones(5, 5, dtype=a.dtype),
    "mean": lambda a, b: a @ torch.full((5, 5), 0.2, dtype=a.dtype),
    "max": lambda a, b: a.sort(dim=1).values[:, -1:].expand(3, 5),
}


class Symbol:
    def __init__(self, asked):
        self.asked = asked

    def operate(self, name, *operands):
        self.asked.append((name, operands))
        return self


def _operands(name):
    a, b = torch.randn(2, 3, 5, dtype=torch.float64)
    return (a, b) if name in ("maximum", "minimum") else (a,)


def test_every_operation_has_a_case():
    assert set(CASES) == set(language.OPERATIONS)
    assert set(language.OPERATIONS) >= language.ACTIVATIONS


@pytest.mark.parametrize("name", CASES)
def test_operations_on_tensors(name):
    given = [a.abs() for a in _operands(name)] if name == "sqrt" else _operands(name)
    expected = CASES[name](given[0], given[-1])
    torch.testing.assert_close(getattr(language, name)(*given), expected)


@pytest.mark.parametrize("name", CASES)
def test_operations_on_symbols(name):
    asked = []
    given = (*_operands(name)[:-1], Symbol(asked))
    assert getattr(language, name)(*given) is given[-1]
    assert asked == [(name, given)]
