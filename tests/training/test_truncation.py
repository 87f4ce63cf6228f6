"""Truncated backpropagation: the gradient equals the one written out by hand, for any k1 and k2."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from engram.data.batching.lanes import Lanes
from engram.models.many_to_many import ManyToMany, ModelSettings
from engram.training.truncation import window_loss

VOCABULARY = 7


def _model(cell: str) -> ManyToMany:
    torch.manual_seed(1)
    settings = ModelSettings(cell=cell, hidden=5, layers=2, init="uniform")
    return ManyToMany(VOCABULARY, settings).double()


def _detached(state):
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


def _by_hand(model, inputs, targets, update, k1, k2):
    """Step through the whole lane; detach once, where the gradient of this update has to end.

    No weight changes here, so the state at the cut is the one that training carried there.
    """
    stop = (update + 1) * k1
    cut = max(0, stop - k2)
    first = max(stop - k1, stop - k2)
    state, losses = None, []
    for t in range(stop):
        if t == cut and state is not None:
            state = _detached(state)
        scores, state = model(inputs[t : t + 1], state)
        if t >= first:
            losses.append(cross_entropy(scores[0], targets[t], reduction="none"))
    model.zero_grad()
    torch.stack(losses).mean().backward()
    return [p.grad.clone() for p in model.parameters()]


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
@pytest.mark.parametrize(
    ("k1", "k2"), [(4, 4), (4, 10), (4, 2), (1, 6), (6, 1), (3, 7), (5, 100), (1, 1)]
)
def test_gradient_equals_the_one_by_hand(cell, k1, k2):
    model = _model(cell)
    ids = np.random.default_rng(0).integers(1, VOCABULARY, 3 * 24 + 1).astype(np.int32)
    lanes = Lanes(ids, count=3, k1=k1, k2=k2)
    columns = [ids[row * 24 : row * 24 + 25] for row in range(3)]
    whole = torch.from_numpy(np.stack(columns, axis=1)).long()
    inputs, targets = whole[:-1], whole[1:]
    state = None
    for update, window in enumerate(lanes.batches(0)):
        loss, state = window_loss(model, window, state)
        model.zero_grad()
        loss.backward()
        ours = [p.grad.clone() for p in model.parameters()]
        theirs = _by_hand(model, inputs, targets, update, k1, k2)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_another_truncation_is_another_gradient():
    """The comparison above can fail: k2 = 10 is not k2 = 9."""
    model = _model("lstm")
    ids = np.random.default_rng(0).integers(1, VOCABULARY, 3 * 24 + 1).astype(np.int32)
    gradients = []
    for k2 in (9, 10):
        state = None
        for window in Lanes(ids, count=3, k1=4, k2=k2).batches(0):
            loss, state = window_loss(model, window, state)
        model.zero_grad()
        loss.backward()
        gradients.append(model.embedding.weight.grad.clone())
    assert not torch.allclose(*gradients, rtol=1e-9, atol=1e-12)
