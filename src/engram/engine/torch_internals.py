"""torch's private names that Engram uses, each with an ordinary way for a torch without it.

Those of another release may be gone; so they are looked up here and nowhere else. What is computed
the ordinary way is the same, only slower.
"""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad


def _reshaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    return tensor.reshape(shape).clone()


# By the name that each has below.
ORDINARY: dict[str, Any] = {
    "transforms_active": lambda: True,  # there may be one, so that no kernel is used
    "forward_mode": SimpleNamespace(_current_level=0),  # each tensor may have a tangent
    "below_autograd": None,  # an operator is what it does; torch.compile cannot be used then
    "dispatch_modes": lambda: 1,  # one may look on, so that the dispatcher is asked
    "tracing_state": lambda: torch.jit.is_tracing() or None,  # type: ignore[attr-defined]
    "unsafe_view": _reshaped,
    "tensor_guards": None,  # a step is a call with one step
    "empty_strided": None,  # the same
}


def found(path: str, name: str) -> Any:
    """What is at a path in torch, or the ordinary way where this torch has nothing there."""
    value: Any = torch
    for part in path.split("."):
        value = getattr(value, part, None)
    return ORDINARY[name] if value is None else value


# Whether a transform of torch.func runs.
transforms_active = found("_C._are_functorch_transforms_active", "transforms_active")
# Its `_current_level` is from 0 where tensors may carry forward-mode derivatives.
forward_mode: Any = (
    forward_ad if hasattr(forward_ad, "_current_level") else ORDINARY["forward_mode"]
)
# Within it, operators are called without autograd.
below_autograd = found("_C._AutoDispatchBelowAutograd", "below_autograd")
# How many modes look on at operators.
dispatch_modes = found("_C._len_torch_dispatch_stack", "dispatch_modes")
# None where torch.jit does not trace.
tracing_state = found("_C._get_tracing_state", "tracing_state")
# Another shape for a tensor that an operator gives, which autograd takes for no view.
unsafe_view = found("ops.aten._unsafe_view", "unsafe_view")
# What torch's compiled code calls between its kernels: whether tensors are like those of a list,
# and a tensor by shape, strides and dtype.
tensor_guards = found("_C._dynamo.guards.TensorGuards", "tensor_guards")
empty_strided = found("_C._dynamo.guards._empty_strided_cpu", "empty_strided")


def constant_for_compile(function: Any) -> None:
    """Keep torch.compile from tracing through a function of a cell: it takes its result as given.

    This is what ``torch.compiler.assume_constant_result`` does, which takes a second to load. A
    torch that does not know the mark traces through.
    """
    function._dynamo_marked_constant = True
