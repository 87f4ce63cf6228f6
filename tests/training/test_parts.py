"""Optimisers, schedules, clipping, losses, stopping: each against what defines it."""

import math

import pytest
import torch
from torch import nn

from engram.errors import ConfigError, DataError
from engram.training import parallel
from engram.training.groups import Group
from engram.training.losses import cross_entropy
from engram.training.optimizers import make_optimizer
from engram.training.schedules import rate_at
from engram.training.settings import TrainingSettings
from engram.training.stopping import EarlyStopping

PEERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.1, alpha=0.95, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.0),
}


@pytest.mark.parametrize("name", PEERS)
def test_optimiser_is_torchs(name):
    ours, theirs = (nn.Parameter(torch.arange(4.0)) for _ in range(2))
    settings = TrainingSettings(optimizer=name, rate=0.1, momentum=0.9, smoothing=0.95)
    pairs = [(ours, make_optimizer([Group([ours])], settings)), (theirs, PEERS[name]([theirs]))]
    for parameter, optimizer in pairs:
        for _ in range(5):
            optimizer.zero_grad()
            (parameter.sin() * torch.arange(4.0)).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("schedule", "update", "expected"),
    [
        ("constant", 0, 1.0),
        ("constant", 99, 1.0),
        ("cosine", 0, 1.0),
        ("cosine", 50, 0.5),
        ("cosine", 100, 0.0),
        ("linear", 25, 0.75),
        ("exponential", 0, 1.0),
        ("exponential", 19, 1.0),  # the last update of the second epoch
        ("exponential", 20, 0.5),
        ("exponential", 45, 0.125),
    ],
)
def test_schedule(schedule, update, expected):
    settings = TrainingSettings(rate=3.0, schedule=schedule, decay=0.5, decay_after=2)
    assert rate_at(update, 100, 10, settings) == pytest.approx(3.0 * expected, abs=1e-12)


def test_warmup_rises_linearly():
    settings = TrainingSettings(rate=2.0, schedule="constant", warmup=4)
    rates = [rate_at(u, 100, 10, settings) for u in range(5)]
    assert rates == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0])


def test_masked_loss_is_the_mean_over_what_is_asked():
    scores, targets = torch.randn(5, 3, 4), torch.randint(4, (5, 3))
    masked = targets.clone()
    masked[2:, 1] = -100
    one_by_one = [
        nn.functional.cross_entropy(scores[t, b], targets[t, b])
        for t in range(5)
        for b in range(3)
        if masked[t, b] != -100
    ]
    torch.testing.assert_close(cross_entropy(scores, masked), torch.stack(one_by_one).mean())
    assert float(cross_entropy(scores, masked, reduction="none")[3, 1]) == 0.0


def test_all_masked_is_refused_and_not_nan():
    with pytest.raises(DataError, match="every one of the 6 targets is masked"):
        cross_entropy(torch.randn(2, 3, 4), torch.full((2, 3), -100))


def test_smoothed_labels_spread_a_share_over_all():
    scores, targets = torch.randn(5, 3, 4), torch.randint(4, (5, 3))
    targets[1, 2] = -100
    smoothed = 0.9 * nn.functional.one_hot(targets.clamp_min(0), 4) + 0.1 / 4
    each = -(smoothed * scores.log_softmax(-1)).sum(-1)
    expected = each[targets != -100].mean()
    torch.testing.assert_close(cross_entropy(scores, targets, smoothing=0.1), expected)


def test_stopping_waits_for_patience():
    stopping = EarlyStopping(patience=2)
    assert [stopping.see(loss, i) for i, loss in enumerate([3.0, 2.0, 2.5, math.inf])] == [
        True,
        True,
        False,
        False,
    ]
    assert stopping.exhausted
    assert (stopping.best, stopping.best_update) == (2.0, 1)


def test_lanes_that_do_not_divide_are_refused(monkeypatch):
    monkeypatch.setattr(parallel, "processes", lambda: 2)
    with pytest.raises(
        ConfigError, match=r"5 lanes cannot be divided evenly among 2 processes; use --lanes 4"
    ):
        parallel.own_rows(5)
