"""Finding where a value first ceased to be finite."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from engram.errors import NumericsError


def first_bad(tensors: Iterable[tuple[str, Tensor]]) -> str | None:
    """The name of the first tensor that holds NaN or infinity."""
    return next((name for name, t in tensors if not bool(torch.isfinite(t).all())), None)


def bad_weight(model: nn.Module) -> str | None:
    """The name of the first weight that is not finite."""
    return first_bad(model.named_parameters())


def diverged(
    model: nn.Module,
    run_forward: Callable[[], Any],
    update: int,
    what: str,
    last_good: int | None,
) -> NumericsError:
    """Make the error that names the first bad tensor behind a loss or gradient.

    Looked at in this order: weights, the output of each module in a forward pass, gradients.

    Args:
        model: As it was when the value was seen.
        run_forward: Runs the same forward pass again.
        update: Number of the update.
        what: What was seen, such as ``"loss is nan"``.
        last_good: The update of the last checkpoint, or None.
    """
    name = bad_weight(model)
    culprit = f"weight '{name}'" if name else None
    if culprit is None:
        name = _first_bad_output(model, run_forward)
        culprit = f"the output of '{name}'" if name else None
    if culprit is None:
        gradients = ((n, p.grad) for n, p in model.named_parameters() if p.grad is not None)
        name = first_bad(gradients)
        culprit = f"the gradient of '{name}'" if name else "the loss itself"
    saved = (
        "no checkpoint was written before"
        if last_good is None
        else f"the checkpoint of update {last_good} is kept"
    )
    return NumericsError(
        f"update {update}: {what}; the first tensor that is not finite is {culprit}; {saved}; "
        "train again with a lower --rate, or with --clip-norm 1"
    )


def _first_bad_output(model: nn.Module, run_forward: Callable[[], Any]) -> str | None:
    found: list[str] = []

    def watch(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            for tensor in _tensors(output):
                if not bool(torch.isfinite(tensor).all()):
                    found.append(name)

        return hook

    handles = [m.register_forward_hook(watch(n)) for n, m in model.named_modules() if n]
    try:
        with torch.no_grad():
            run_forward()
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _tensors(value: Any) -> Iterable[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)
