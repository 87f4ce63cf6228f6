"""The operations a cell's step may use, besides + - * / and unary minus.

Each acts elementwise on tensors of shape ``(B, H)``. An operand that is not a tensor but a symbol
(it has a method ``operate``) receives the operation instead, so that the same step can be run,
observed or traced.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "exp": torch.exp,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}
ACTIVATIONS = frozenset({"sigmoid", "tanh", "relu", "exp"})


def _operate(name: str, *operands: Any) -> Any:
    for operand in operands:
        if hasattr(operand, "operate"):
            return operand.operate(name, *operands)
    return OPERATIONS[name](*operands)


def sigmoid(a: Any) -> Any:
    """1 / (1 + exp(-a))."""
    return _operate("sigmoid", a)


def tanh(a: Any) -> Any:
    """Hyperbolic tangent of a."""
    return _operate("tanh", a)


def relu(a: Any) -> Any:
    """The larger of a and 0."""
    return _operate("relu", a)


def exp(a: Any) -> Any:
    """e to the power of a."""
    return _operate("exp", a)


def maximum(a: Any, b: Any) -> Any:
    """The larger of a and b, elementwise."""
    return _operate("maximum", a, b)


def minimum(a: Any, b: Any) -> Any:
    """The smaller of a and b, elementwise."""
    return _operate("minimum", a, b)
