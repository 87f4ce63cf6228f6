"""Context use: on models and texts whose horizon is known."""

import numpy as np
import pytest
import torch
from torch import nn

from engram.data.text.tokens import END
from engram.diagnosis.context_use import context_use, describe_contexts
from engram.errors import DataError
from engram.models.many_to_many import ManyToMany, ModelSettings
from engram.tasks.language_model import probe_of
from engram.tasks.probe import CONTEXTS

IDS = np.random.default_rng(0).integers(1, 6, 5000).astype(np.int32)


def _use(model, ids, seed=0, rows=512, **options):
    contexts = options.get("contexts", CONTEXTS)
    return context_use(model, probe_of(ids, seed=seed, rows=rows, contexts=contexts), **options)


class _Copier(nn.Module):
    """A stand-in for a model that knows the token of so many steps ago, given enough context."""

    def __init__(self, back: int) -> None:
        super().__init__()
        self.back = back
        self.embedding = nn.Identity()
        self.layers = self._layers
        self.head = nn.Identity()

    def _layers(self, tokens):
        scores = torch.zeros(*tokens.shape, 6)
        if len(tokens) >= self.back:
            known = tokens[len(tokens) - self.back]
            scores[-1] = 9.0 * nn.functional.one_hot(known, 6)
        return scores, None


@pytest.mark.parametrize("back", [1, 5, 20])
def test_finds_the_horizon_of_a_model_that_copies(back):
    ids = np.tile(IDS[:back], 4000 // back)  # the token of `back` steps ago comes again
    record = _use(_Copier(back), ids)
    assert record.horizon == back
    assert record.losses[0 if back == 1 else -1] < 0.01


def test_losses_equal_those_of_single_windows():
    torch.manual_seed(0)
    model = ManyToMany(6, ModelSettings(hidden=5)).double()
    record = _use(model, IDS, contexts=(1, 4, 9), rows=7, seed=3)
    ends = np.arange(9, len(IDS))
    chosen = ends[torch.randperm(len(ends), generator=torch.Generator().manual_seed(3))[:7].numpy()]
    for context, loss in zip(record.contexts, record.losses, strict=True):
        single = []
        for end in chosen:
            window = torch.from_numpy(IDS[end - context : end]).long()[:, None]
            scores, _ = model(window)
            target = torch.tensor([int(IDS[end])])
            single.append(float(nn.functional.cross_entropy(scores[-1], target).detach()))
        assert loss == pytest.approx(np.mean(single))


def test_context_stays_within_a_document():
    ids = np.concatenate([[END], IDS[:99]] * 100 + [[END]]).astype(np.int32)
    record = _use(ManyToMany(6, ModelSettings(hidden=5)), ids)
    assert record.contexts[-1] == 100
    short = np.concatenate([[END], IDS[:9]] * 30 + [[END]]).astype(np.int32)
    assert _use(ManyToMany(6, ModelSettings(hidden=5)), short).contexts[-1] == 8


def test_too_short_text_is_refused():
    with pytest.raises(DataError, match="too few to measure its use"):
        _use(ManyToMany(6, ModelSettings(hidden=5)), IDS[:1])


@pytest.mark.parametrize(
    ("losses", "horizon", "beyond"),
    [
        ([3.0, 2.0, 1.005, 1.0], 8, False),
        ([3.0, 1.0, 1.5, 1.0], 16, True),  # a dip before the loss has settled does not count
        ([1.0, 1.0, 1.0, 1.0], 1, False),
        ([4.0, 3.0, 2.0, 1.0], 16, True),
    ],
)
def test_horizon(losses, horizon, beyond):
    record = describe_contexts((1, 4, 8, 16), losses, positions=10)
    assert (record.horizon, record.beyond) == (horizon, beyond)
