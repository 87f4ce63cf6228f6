"""Unrolled: recurrent layers with every step in the graph, for gradients at each step."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import nn

from engram.layers.recurrent import Recurrent
from engram.layers.stack import Pass


@contextmanager
def unrolled(model: nn.Module) -> Iterator[dict[str, list[Pass]]]:
    """Run all recurrent layers of a model on the reference engine and keep every state.

    Dropout, hooks and everything around the layers are unchanged.

    Args:
        model: Any module that contains Engram layers, or is one.

    Yields:
        The passes of each layer in the order of its calls, by the layer's name in the model; filled
        while the block runs. ``results[…].steps`` of a pass are the states after each step, in
        execution order, as tensors in the graph.

    Example:
        >>> import torch, engram
        >>> from engram.layers.unrolled import unrolled
        >>> layer = engram.LSTM(3, 4)
        >>> with unrolled(layer) as passes:
        ...     output, _ = layer(torch.randn(6, 2, 3))
        >>> first = passes[""][0].results["layer0"].steps[0]["h"]
        >>> torch.autograd.grad(output[-1].sum(), first)[0].shape
        torch.Size([2, 4])
    """
    passes: dict[str, list[Pass]] = {}
    layers = {name: each for name, each in model.named_modules() if isinstance(each, Recurrent)}
    before = {name: layer.sees_steps for name, layer in layers.items()}
    watchers = {name: partial(_keep, passes, name) for name in layers}
    for name, layer in layers.items():
        layer.sees_steps = True
        layer.watchers.append(watchers[name])
    try:
        yield passes
    finally:
        for name, layer in layers.items():
            layer.sees_steps = before[name]
            layer.watchers.remove(watchers[name])


def _keep(passes: dict[str, list[Pass]], name: str, passed: Pass) -> None:
    passes.setdefault(name, []).append(passed)
