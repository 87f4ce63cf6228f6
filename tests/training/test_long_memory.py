"""Small long-memory problems are learnt within a stated number of updates, thanks to remedies.

Longer ones, of the lengths of the papers, are in benchmarks/long_memory.py.
"""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from engram.cells import LSTM, Elman
from engram.data.builtin.synthetic import adding, latch, latched, temporal_order, wrong_orders
from engram.layers import Recurrent
from engram.training.clipping import Clipping, gradient_norm
from engram.training.groups import make_groups
from engram.training.optimizers import make_optimizer
from engram.training.penalties import Penalties
from engram.training.settings import TrainingSettings

pytestmark = pytest.mark.slow


class Reader(nn.Module):
    def __init__(self, cell, inputs, hidden, outputs, **options):
        super().__init__()
        self.layers = Recurrent(cell, inputs, hidden, **options)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.head(self.layers(x)[0])


def _train(model, draw, loss, settings, updates, batch):
    """Train with the remedies of the settings; draw gives inputs and targets of a batch."""
    named = dict(model.named_parameters())
    optimizer = make_optimizer(make_groups(model, settings), settings)
    clipping, penalties = Clipping.of(settings), Penalties(model, settings)
    generator = torch.Generator().manual_seed(0)
    with penalties.watching():
        for _ in range(updates):
            inputs, targets = draw(batch, generator)
            optimizer.zero_grad()
            penalised = penalties.added_to(loss(model(inputs), targets))
            penalised.backward(retain_graph=penalties.needs_graph)
            penalties.after_backward(0)
            clipping.apply(named, gradient_norm(list(named.values())))
            optimizer.step()
    inputs, targets = draw(1000, torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model(inputs), targets


def test_adding_is_learnt_by_an_lstm_with_chrono_initialisation():
    model = Reader(LSTM(), 2, 32, 1, init="orthogonal", chrono=40)
    settings = TrainingSettings(optimizer="adam", rate=0.01, clip_norm=1.0)
    given, wanted = _train(
        model,
        lambda count, generator: adding(40, count, generator),
        lambda given, wanted: mse_loss(given[-1, :, 0], wanted),
        settings,
        updates=600,
        batch=50,
    )
    assert float(mse_loss(given[-1, :, 0], wanted)) < 0.005  # 0.167 without memory


class Latch(nn.Module):
    """One tanh unit, told in three steps of which class a sequence is; noise comes after."""

    def __init__(self):
        super().__init__()
        self.layers = Recurrent(Elman(), 1, 1, bias=False)
        nn.init.ones_(self.layers.weight_ih_l0).requires_grad_(False)
        nn.init.constant_(self.layers.weight_hh_l0, 1.25)
        self.told = nn.Parameter(torch.empty(3, 2).uniform_(-0.1, 0.1))

    def forward(self, given):
        noise, classes = given
        told = torch.cat([self.told[:, classes], noise[3:] * 0.0])
        return self.layers((noise + told).unsqueeze(2))[0][-1, :, 0]


def test_a_single_unit_latches_a_bit():
    def draw(count, generator):
        noise, classes = latch(12, count, generator)
        return (noise, classes), classes

    torch.manual_seed(0)
    final, classes = _train(
        Latch(),
        draw,
        lambda final, classes: (final - (1.6 * classes - 0.8)).square().mean() / 2,
        TrainingSettings(optimizer="sgd", rate=0.05, clip_norm=None),
        updates=1000,
        batch=20,
    )
    assert latched(final, classes) > 0.99


@pytest.mark.parametrize(("omega", "learnt"), [(0.0, False), (4.0, True)])
def test_temporal_order_is_learnt_with_omega_and_not_without(omega, learnt):
    """As in Pascanu, Mikolov, Bengio (2013): plain SGD at 0.01, clipping at 1, Ω with weight 4."""
    torch.manual_seed(1)
    model = Reader(Elman(), 6, 50, 4, init="normal")
    nn.init.normal_(model.head.weight, 0.0, 0.1)
    settings = TrainingSettings(optimizer="sgd", rate=0.01, clip_norm=1.0, omega=omega)
    given, classes = _train(
        model,
        lambda count, generator: temporal_order(40, count, generator),
        lambda given, classes: cross_entropy(given[-1], classes),
        settings,
        updates=2000,
        batch=20,
    )
    wrong = wrong_orders(given[-1], classes)
    assert wrong < 0.02 if learnt else wrong > 0.6
