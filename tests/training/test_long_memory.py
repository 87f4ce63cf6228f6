"""Small long-memory problems are learnt within a stated number of updates, thanks to remedies.

Longer ones, of the lengths of the papers, are in benchmarks/long_memory.py.
"""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss, one_hot

from engram.cells import LSTM, Elman
from engram.data.synthetic import adding, copy, recalled, temporal_order, wrong_orders
from engram.layers import Recurrent
from engram.training.clipping import Clipping, gradient_norm
from engram.training.optimizers import make_optimizer
from engram.training.penalties import Penalties
from engram.training.settings import TrainingSettings


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
    optimizer = make_optimizer(named.values(), settings)
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


def test_copy_is_learnt_by_an_lstm_with_chrono_initialisation():
    def draw(count, generator):
        read, said = copy(5, count, generator)
        return one_hot(read, 10).float(), said

    model = Reader(LSTM(), 10, 64, 10, init="orthogonal", chrono=15)
    settings = TrainingSettings(optimizer="adam", rate=0.01, clip_norm=1.0)
    given, wanted = _train(
        model,
        draw,
        lambda given, wanted: cross_entropy(given.flatten(0, 1), wanted.flatten()),
        settings,
        updates=700,
        batch=50,
    )
    assert recalled(given, wanted) > 0.9  # 0.125 without memory


@pytest.mark.parametrize(("omega", "learnt"), [(0.0, False), (4.0, True)])
def test_temporal_order_is_learnt_with_omega_and_not_without(omega, learnt):
    """As in Pascanu, Mikolov, Bengio (2013): plain SGD at 0.01, clipping at 1, Ω with weight 4."""
    torch.manual_seed(0)
    model = Reader(Elman(), 6, 50, 4, init="normal")
    nn.init.normal_(model.head.weight, 0.0, 0.1)
    settings = TrainingSettings(optimizer="sgd", rate=0.01, clip_norm=1.0, omega=omega)
    given, classes = _train(
        model,
        lambda count, generator: temporal_order(30, count, generator),
        lambda given, classes: cross_entropy(given[-1], classes),
        settings,
        updates=3000,
        batch=20,
    )
    wrong = wrong_orders(given[-1], classes)
    assert wrong < 0.02 if learnt else wrong > 0.4
