"""L1, L2, elastic net and decoupled decay: each against its definition, on the weights named."""

import pytest
import torch
from torch import nn

from engram.models.many_to_many import ManyToMany, ModelSettings
from engram.models.region_names import KINDS, MATRICES
from engram.models.regions import places
from engram.training.groups import make_groups
from engram.training.optimizers import make_optimizer
from engram.training.settings import TrainingSettings
from engram.training.weight_penalties import add_weight_penalties, decay_weights


def _model(**changes):
    torch.manual_seed(0)
    model = ManyToMany(7, ModelSettings(**({"hidden": 4, "init": "uniform"} | changes)))
    with torch.no_grad():
        model.embedding.weight[2] = 0.0  # where |w| has no derivative, and its share is 0
    return model


def _loss(model):
    return model(torch.arange(6).view(3, 2))[0].square().mean()


def _with_gradients(model, settings):
    optimizer = make_optimizer(make_groups(model, settings), settings)
    _loss(model).backward()
    return optimizer


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kinds", [list(MATRICES), ["recurrent"], ["bias", "head"], list(KINDS)])
@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0.0), (0.0, 0.2), (0.3, 0.2)])
def test_gradient_is_that_of_the_penalised_loss(l1, l2, kinds, tied):
    model, peer = _model(tied=tied), _model(tied=tied)
    settings = TrainingSettings(l1=l1, l2=l2, regularise=kinds)
    add_weight_penalties(_with_gradients(model, settings), settings)

    loss = _loss(peer)
    for place in places(peer):
        if place.kind in kinds:
            w = place.parameter
            loss = loss + l1 * w.abs().sum() + 0.5 * l2 * w.square().sum()
    loss.backward()
    for (name, ours), theirs in zip(model.named_parameters(), peer.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, msg=name)


def test_biases_are_left_out_unless_asked_for():
    settings = TrainingSettings(l1=1.0, l2=1.0, weight_decay=1.0)
    model, plain = _model(), _model()
    optimizer = _with_gradients(model, settings)
    _loss(plain).backward()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    add_weight_penalties(optimizer, settings)
    decay_weights(optimizer, settings)
    peers = dict(plain.named_parameters())
    for place in places(model):
        untouched = place.kind == "bias"
        assert torch.equal(place.parameter.grad, peers[place.name].grad) == untouched
        assert torch.equal(place.parameter, before[place.name]) == untouched


@pytest.mark.parametrize("kinds", [list(KINDS), ["input"]])
def test_decoupled_decay_is_that_of_adamw(kinds):
    model, peer = _model(), _model()
    settings = TrainingSettings(rate=0.1, weight_decay=0.3, regularise=kinds)
    ours = make_optimizer(make_groups(model, settings), settings)
    where = places(peer)
    theirs = torch.optim.AdamW(
        [{"params": [p.parameter], "weight_decay": 0.3 if p.kind in kinds else 0.0} for p in where],
        lr=0.1,
    )
    for _ in range(4):
        ours.zero_grad()
        _loss(model).backward()
        decay_weights(ours, settings)
        ours.step()
        theirs.zero_grad()
        _loss(peer).backward()
        theirs.step()
    for a, b in zip(model.parameters(), peer.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_in_plain_sgd_decay_and_l2_are_one():
    weights = [nn.Linear(3, 2) for _ in range(2)]
    weights[1].load_state_dict(weights[0].state_dict())
    x = torch.randn(5, 3)
    for layer, more in zip(weights, ({"l2": 0.2}, {"weight_decay": 0.2}), strict=True):
        settings = TrainingSettings(optimizer="sgd", rate=0.1, **more)
        optimizer = make_optimizer(make_groups(layer, settings), settings)
        for _ in range(3):
            optimizer.zero_grad()
            layer(x).square().mean().backward()
            add_weight_penalties(optimizer, settings)
            decay_weights(optimizer, settings)
            optimizer.step()
    torch.testing.assert_close(weights[0].weight, weights[1].weight)
    torch.testing.assert_close(weights[0].bias, weights[1].bias)


def test_decay_follows_the_rate_of_its_group():
    model = _model()
    settings = TrainingSettings(rate=0.1, weight_decay=0.5, rates={"frontal": 0.5})
    optimizer = _with_gradients(model, settings)
    for group in optimizer.param_groups:
        group["lr"] = settings.rate * group["factor"]
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    decay_weights(optimizer, settings)
    torch.testing.assert_close(model.head.weight, before["head.weight"] * 0.95)
    recurrent = model.layers.weight_hh_l0
    torch.testing.assert_close(recurrent, before["layers.weight_hh_l0"] * 0.975)


def test_weights_without_a_gradient_are_left_alone():
    model = _model()
    settings = TrainingSettings(l1=1.0, l2=1.0, weight_decay=1.0)
    optimizer = _with_gradients(model, settings)
    model.head.weight.grad = None
    before = model.head.weight.detach().clone()
    add_weight_penalties(optimizer, settings)
    decay_weights(optimizer, settings)
    assert model.head.weight.grad is None
    assert torch.equal(model.head.weight, before)


def test_off_is_one_group_that_nothing_acts_on():
    model, settings = _model(), TrainingSettings()
    groups = make_groups(model, settings)
    assert [id(p) for p in groups[0].parameters] == [id(p) for p in model.parameters()]
    assert (len(groups), groups[0].regularised) == (1, False)
