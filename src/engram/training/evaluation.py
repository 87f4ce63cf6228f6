"""The mean loss of a model, over batches or over the windows of a stream."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import nn

from engram.data.batching.batch import Batch
from engram.data.batching.lanes import IGNORED, Window
from engram.models.evaluating import evaluating
from engram.models.many_to_many import State
from engram.training import parallel
from engram.training.device import device_of
from engram.training.losses import cross_entropy

B = TypeVar("B")


@torch.inference_mode()
def mean_loss(
    model: nn.Module,
    batches: Iterable[B],
    loss: Callable[[B], tuple[torch.Tensor, float]],
) -> float:
    """The mean over all terms of batches; dropout is off, and the model stays in its mode.

    Processes that train together share the batches.

    Args:
        model: The model.
        batches: All of them, the same ones in each process; a `Batch` is moved to the model.
        loss: Gives the sum of a batch's terms, and how many there are.

    Returns:
        The mean; NaN where there are no terms.
    """
    total, terms = 0.0, 0.0
    device = device_of(model)
    with evaluating(model):
        for number, batch in enumerate(batches):
            if number % parallel.processes() == parallel.rank():
                here = batch.to(device) if isinstance(batch, Batch) else batch
                value, count = loss(here)
                total, terms = total + value.item(), terms + count
    total, terms = parallel.total([total, terms])
    return total / terms if terms else float("nan")


@torch.inference_mode()
def stream_loss(model: nn.Module, windows: Iterable[Window]) -> float:
    """Mean negative log-likelihood in nats over every target that counts; dropout is off.

    Processes that train together share the rows.

    Args:
        model: Called as ``model(inputs, state, reset=…)``.
        windows: Successive windows of the same rows, whose state is carried.
    """
    state: State | None = None
    loss, count = 0.0, 0
    shared = False
    here = (window.to(device_of(model)) for window in windows)
    with evaluating(model):
        for inputs, targets, reset, part in _own_part(here):
            shared = part
            scores, state = model(inputs, state, reset=reset)
            loss += cross_entropy(scores, targets, reduction="sum").item()
            count += int((targets != IGNORED).sum())
    if shared:
        loss, count = parallel.total([loss, float(count)])  # type: ignore[assignment]
    return loss / count


def _own_part(
    windows: Iterable[Window],
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, bool]]:
    """The rows of each window that this process owns, and whether rows are shared at all."""
    processes, own = parallel.processes(), parallel.rank()
    for window in windows:
        shared = window.inputs.shape[1] >= processes > 1
        rows = slice(own, None, processes) if shared else slice(None)
        reset = None if window.reset is None else window.reset[:, rows]
        yield window.inputs[:, rows], window.targets[:, rows], reset, shared
