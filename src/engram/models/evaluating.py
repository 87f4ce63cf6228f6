"""Evaluating: a model without dropout and the like, for as long as a block runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model and all of its modules into evaluation mode, and back however the block ends.

    Args:
        model: The model; modules that were in evaluation mode before stay in it.
    """
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
