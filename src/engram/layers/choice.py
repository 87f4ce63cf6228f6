"""Which engine runs a layer, and why."""

import torch
from torch import Tensor

from engram.engine import Choice, with_compiled
from engram.layers.recurrent import Recurrent


def engine_of(layer: Recurrent, input: Tensor | None = None) -> Choice:
    """Report which engine runs a layer, why, and which kernels were compiled for it.

    Args:
        layer: A recurrent layer.
        input: An example input, ``(T, B, I)``; the layer runs on it once, to compile its kernels.

    Returns:
        Engine and reason; ``compiled`` lists each kernel built for the layer's cell in this
        process, with its compile time in seconds and whether it came from the disk cache.

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
