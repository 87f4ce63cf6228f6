"""The operations a cell's step may use, in addition to + - * / and unary minus.

Each takes and returns tensors of shape ``(B, H)``. Most act elementwise; `sum`, `mean` and `max`
reduce over the units of each row and give every unit of the row the same value. An operand that is
not a tensor but a symbol (it has a method ``operate``) receives the operation instead, so the same
step can be run, observed or traced.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "identity": lambda a: a,
    "exp": torch.exp,
    "log_sigmoid": torch.nn.functional.logsigmoid,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "sqrt": torch.sqrt,
    "sum": lambda a: torch.sum(a, -1, keepdim=True).expand_as(a),
    "mean": lambda a: torch.mean(a, -1, keepdim=True).expand_as(a),
    "max": lambda a: torch.amax(a, -1, keepdim=True).expand_as(a),
}
# These reduce over all units of a row.
OVER_UNITS = frozenset({"sum", "mean", "max"})
# The recorded value of a gate is the result of the first of these applied to it.
ACTIVATIONS = frozenset({"sigmoid", "tanh", "relu", "identity", "exp", "log_sigmoid"})


def operate(name: str, *operands: Any) -> Any:
    """Apply an operation of `OPERATIONS` by its name."""
    for operand in operands:
        if hasattr(operand, "operate"):
            return operand.operate(name, *operands)
    return OPERATIONS[name](*operands)


def sigmoid(a: Any) -> Any:
    """1 / (1 + exp(-a))."""
    return operate("sigmoid", a)


def tanh(a: Any) -> Any:
    """Hyperbolic tangent of a."""
    return operate("tanh", a)


def relu(a: Any) -> Any:
    """The larger of a and 0."""
    return operate("relu", a)


def identity(a: Any) -> Any:
    """a itself: the activation of a gate without one, which marks its value as the gate's."""
    return operate("identity", a)


def exp(a: Any) -> Any:
    """e to the power of a."""
    return operate("exp", a)


def log_sigmoid(a: Any) -> Any:
    """log(1 / (1 + exp(-a))), accurate even if the sigmoid itself rounds to 0 or 1."""
    return operate("log_sigmoid", a)


def maximum(a: Any, b: Any) -> Any:
    """The larger of a and b, elementwise."""
    return operate("maximum", a, b)


def minimum(a: Any, b: Any) -> Any:
    """The smaller of a and b, elementwise."""
    return operate("minimum", a, b)


def sqrt(a: Any) -> Any:
    """The square root of a."""
    return operate("sqrt", a)


def sum(a: Any) -> Any:
    """The sum of a over the units of each row."""
    return operate("sum", a)


def mean(a: Any) -> Any:
    """The mean of a over the units of each row."""
    return operate("mean", a)


def max(a: Any) -> Any:
    """The maximum of a over the units of each row; ties share the gradient."""
    return operate("max", a)


def candidate(a: Any) -> Any:
    """a itself, marked as the new value that enters the state: recurrent dropout drops it."""
    return a.as_candidate() if hasattr(a, "as_candidate") else a


def layer_norm(a: Any, epsilon: float = 1e-5) -> Any:
    """a standardised over the units: (a - mean) / std (Ba, Kiros, Hinton 2016).

    A cell that needs a gain and a bias declares them as per-unit weights.
    """
    centred = a - mean(a)
    return centred * (1 / sqrt(mean(centred * centred) + epsilon))
