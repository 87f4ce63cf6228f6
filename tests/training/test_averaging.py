"""Averages of weights: what they are, when they begin, and that checkpoints hold them."""

import pytest
import torch
from torch.testing import assert_close

from engram.models.many_to_many import ManyToMany, ModelSettings
from engram.training.averaging import Averaging
from engram.training.settings import TrainingSettings


def _walk(model, averaging, updates, first=0):
    """Move weights at random; gives the weights after each update."""
    path = []
    for update in range(first, first + updates):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        averaging.take(update + 1)
        path.append({n: p.detach().clone() for n, p in model.named_parameters()})
    return path


def _model():
    return ManyToMany(5, ModelSettings(hidden=4, tied=True)).double()


def test_mean_is_the_mean_of_the_updates_from_a_certain_one_on():
    model = _model()
    averaging = Averaging(model, TrainingSettings(averaging="mean", averaging_from=3))
    first = _walk(model, averaging, 3)
    assert averaging.model is model  # no average yet
    path = _walk(model, averaging, 5, first=3)
    for name, averaged in averaging.model.named_parameters():
        assert_close(averaged.detach(), torch.stack([w[name] for w in path]).mean(0))
        assert not torch.equal(averaged, first[0][name])


def test_ema_forgets_exponentially():
    model = _model()
    averaging = Averaging(model, TrainingSettings(averaging="ema", averaging_decay=0.8))
    path = _walk(model, averaging, 6)
    for name, averaged in averaging.model.named_parameters():
        expected = path[0][name]
        for weights in path[1:]:
            expected = 0.8 * expected + 0.2 * weights[name]
        assert_close(averaged.detach(), expected)


def test_the_average_is_a_model_of_its_own():
    model = _model()
    averaging = Averaging(model, TrainingSettings(averaging="mean"))
    _walk(model, averaging, 2)
    averaged = averaging.model
    assert isinstance(averaged, ManyToMany)
    assert averaged.head.weight is averaged.embedding.weight
    assert not averaged.training
    assert model.training
    before = [p.clone() for p in model.parameters()]
    averaged.embedding.weight.data.zero_()
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_without_averaging_the_model_is_the_trained_one():
    model = _model()
    averaging = Averaging(model, TrainingSettings())
    _walk(model, averaging, 2)
    assert averaging.model is model
    assert averaging.state_dict() == {}


@pytest.mark.parametrize("kind", ["ema", "mean"])
def test_it_goes_on_from_a_checkpoint(kind):
    settings = TrainingSettings(averaging=kind, averaging_decay=0.5)
    model = _model()
    whole = Averaging(model, settings)
    _walk(model, whole, 3)
    kept = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
    again = Averaging(model, settings)
    again.load_state_dict(kept)
    for update in (4, 5):
        with torch.no_grad():
            model.head.bias.add_(1.0)
        whole.take(update)
        again.take(update)
    for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)
