"""Context use: how much of what came before a model really draws on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engram.data.tokens import END, Ids
from engram.errors import DataError
from engram.models.many_to_many import ManyToMany
from engram.training.losses import cross_entropy

TOLERANCE = 0.01
CONTEXTS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 75, 100, 150, 200, 300, 500)


@dataclass(frozen=True)
class ContextUse:
    """The loss by how many tokens of context the model was given.

    Attributes:
        contexts: Tokens of context, ascending.
        losses: Mean loss at each, nats a token, always over the same targets.
        horizon: The least context from which on the loss stays within the tolerance of the full
            one, which is that of the longest context.
        tolerance: The share that defines the horizon.
        positions: How many targets.
    """

    contexts: list[int]
    losses: list[float]
    horizon: int
    tolerance: float
    positions: int

    @property
    def beyond(self) -> bool:
        """Whether only the longest context is within the tolerance, so that more may help."""
        return self.horizon == self.contexts[-1]


@torch.inference_mode()
def context_use(
    model: ManyToMany,
    ids: Ids,
    *,
    contexts: Sequence[int] = CONTEXTS,
    positions: int = 512,
    seed: int = 0,
) -> ContextUse:
    """Measure the loss at the same targets with more and more context before each.

    Each context starts from the zero state. Targets are drawn where the longest context lies within
    one document, so that no end of a document shortens it; contexts that the text cannot hold are
    left out.

    Args:
        model: A token model; its dropout is off here.
        ids: Text as tokens, ``(N,)``.
        contexts: Tokens of context to try.
        positions: How many targets.
        seed: For the targets.

    Raises:
        DataError: For text without two tokens in one document.
    """
    kept, ends = _targets(ids, sorted(contexts))
    generator = torch.Generator().manual_seed(seed)
    count = min(positions, len(ends))
    chosen = ends[torch.randperm(len(ends), generator=generator)[:count].numpy()]
    stream = torch.from_numpy(ids).to(torch.int64)
    targets = stream[torch.from_numpy(chosen)].unsqueeze(0)
    was_training = model.training
    model.eval()
    losses = []
    for context in kept:
        steps = torch.arange(-context, 0).unsqueeze(1) + torch.from_numpy(chosen)
        output, _ = model.layers(model.embedding(stream[steps]))
        losses.append(float(cross_entropy(model.head(output[-1:]), targets)))
    model.train(was_training)
    return describe_contexts(kept, losses, count)


def describe_contexts(
    contexts: Sequence[int], losses: Sequence[float], positions: int, tolerance: float = TOLERANCE
) -> ContextUse:
    """Find the horizon of losses by context."""
    limit = losses[-1] * (1.0 + tolerance)
    horizon = contexts[-1]
    for context, loss in zip(reversed(contexts), reversed(losses), strict=True):
        if loss > limit:
            break
        horizon = context
    return ContextUse(list(contexts), list(losses), horizon, tolerance, positions)


def _targets(ids: Ids, contexts: Sequence[int]) -> tuple[list[int], np.ndarray]:
    """The contexts that fit into a document, and every target that has the longest of them.

    A document begins with its END token, which is context; the END after it is a target.
    """
    starts = np.flatnonzero(ids == END)
    positions = np.arange(len(ids))
    # index of the END that begins the document in which each target is predicted
    document = np.searchsorted(starts, positions, side="left") - 1
    begin = np.where(document >= 0, starts[document] if len(starts) else 0, 0)
    available = positions - begin
    for i in range(len(contexts), 0, -1):
        ends = np.flatnonzero(available >= contexts[i - 1])
        # few targets would make the mean of the longest contexts noise
        if len(ends) >= 64 or (i == 1 and len(ends)):
            return list(contexts[:i]), ends
    raise DataError(f"{len(ids)} tokens are too few to measure context; give 2 or more")
