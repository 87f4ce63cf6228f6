"""Which engine runs a layer, and why."""

import torch
from torch import Tensor

from engram.engine import Choice, with_compiled
from engram.layers.recurrent import Recurrent


def engine_of(layer: Recurrent, input: Tensor | None = None) -> Choice:
    """Say which engine runs a layer, why, and what was compiled for it.

    Args:
        layer: A recurrent layer.
        input: What it would run on, ``(T, B, I)``; it is run once, so that its kernels exist.

    Returns:
        Engine and reason; ``compiled`` holds each kernel made for the layer's cell in this process,
        with the seconds it took and whether it came from the disk.

    Example:
        >>> import engram
        >>> engram.engine_of(engram.LSTM(10, 16, engine="reference")).engine
        'reference'
    """
    if input is not None:
        with torch.no_grad():
            layer(input)
    choice = layer.choice(*([] if input is None else [input]))
    dtype = next(layer.parameters()).dtype
    return with_compiled(choice, layer.running_cell, dtype)
