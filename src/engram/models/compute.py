"""Compute: the number of multiply-adds of a model's modules."""

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from engram.layers import ConvLSTM
from engram.models.regions import ATTENTION, CONVOLUTION, EMBEDDING, LINEAR, NORM, RECURRENT


def multiply_adds(model: nn.Module, call: Callable[[], Any]) -> dict[str, int]:
    """Count the multiply-adds of matrix products in one call of a model, by module.

    They are counted by torch.utils.flop_counter, which sees every operator that runs, with
    formulas given here for our own operator and oneDNN's recurrent layer. Sums, sigmoids and
    look-ups are not counted.

    Args:
        model: Any module.
        call: Function that calls the model once, with gradients off.

    Returns:
        Multiply-adds by module name, without those of its submodules.
    """
    from torch.utils.flop_counter import FlopCounterMode

    importlib.import_module("engram.engine.compiled.operator")  # registers engram::run
    formulas = {
        torch.ops.engram.run: _of_recurrent_layer,
        torch.ops.aten.mkldnn_rnn_layer: _of_recurrent_layer,
    }
    counter = FlopCounterMode(display=False, custom_mapping=formulas)
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(
        False
    )  # an operator that the counter has no formula for
    try:
        with counter, torch.no_grad():
            _Caller(model, call)()
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    counted = {
        name: sum(counts.values()) // 2  # it counts a multiply-add as two operations
        for name, counts in counter.get_flop_counts().items()
    }
    whole: dict[str, int] = {}
    found: dict[str, int] = {}
    for name, module in reversed(list(model.named_modules())):  # children before their parents
        parts = [f"{name}.{n}" if name else n for n, _ in module.named_children()]
        inside = sum(whole.get(part, 0) for part in parts)
        path = f"{_Caller.__name__}.model.{name}" if name else "Global"
        # a module whose submodules are called directly has no count of its own
        whole[name] = max(counted.get(path, 0), inside)
        found[name] = whole[name] - inside
    return {name: found[name] for name, _ in model.named_modules() if found.get(name)}


class _Caller(nn.Module):
    """Wraps a model, so that its submodules have their names whoever calls them."""

    def __init__(self, model: nn.Module, call: Callable[[], Any]) -> None:
        super().__init__()
        self.model, self.call = model, call

    def forward(self) -> Any:
        """Call the function."""
        return self.call()


def multiply_adds_a_step(model: nn.Module) -> dict[str, int] | None:
    """Count from sizes: each matrix is used once per time step and row of the batch.

    Returns:
        Multiply-adds by module name; None if sizes are not enough: for convolutions, attention and
        unknown module types, the count depends on the sequence length or the image size.
    """
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, (*ATTENTION, *CONVOLUTION, ConvLSTM)):
            return None
        own = list(module.parameters(recurse=False))
        if not own or isinstance(module, (*EMBEDDING, *NORM)):
            continue
        if not isinstance(module, (*RECURRENT, *LINEAR)):
            return None
        found[name] = sum(
            p.numel()
            for parameter, p in module.named_parameters(recurse=False)
            if p.dim() > 1 and not parameter.startswith("initial_")
        )
    return found


def _of_recurrent_layer(
    x: torch.Size, input: torch.Size, recurrent: torch.Size, *_: Any, **__: Any
) -> int:
    """Operations of one layer in one direction; x is ``(T, B, I)``, weights ``(G·H, ·)``."""
    steps, batch, _features = x
    return 2 * steps * batch * (input[0] * input[1] + recurrent[0] * recurrent[1])
