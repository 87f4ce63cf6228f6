"""Anatomy: shares that add up, changes by their definition, and a model left as it was."""

import json
import math
from dataclasses import asdict

import pytest
import torch
from torch import nn

import engram
from engram.errors import ConfigError
from engram.models.many_to_many import ManyToMany, ModelSettings, parameter_count
from engram.models.region_names import ROLES


def _model(seed=0, **changes):
    torch.manual_seed(seed)
    return ManyToMany(11, ModelSettings(**({"hidden": 6, "dropout": 0.5} | changes)))


INPUTS = torch.arange(15).view(5, 3) % 11


def _loss(output):
    scores, _ = output
    return scores.square().mean()


def test_it_is_a_record_of_all_six_regions():
    record = engram.anatomy(_model(), INPUTS, loss=_loss)
    assert list(record.regions) == list(ROLES)
    assert json.loads(json.dumps(asdict(record)))["parameters"] == record.parameters
    assert record.parameters == parameter_count(_model())
    assert record.regions["parietal"].modules == {"embedding": "Embedding"}
    assert record.regions["brainstem"].modules == {}
    assert record.regions["frontal"].kinds == {"input": 144, "recurrent": 144, "bias": 48}


@pytest.mark.parametrize("tied", [False, True])
def test_shares_of_compute_and_gradient(tied):
    model = _model(tied=tied)
    record = engram.anatomy(model, INPUTS, loss=_loss)
    compute = {name: region.compute for name, region in record.regions.items()}
    whole = 2 * 4 * 6 * 6 + 11 * 6
    assert record.multiply_adds == whole * 15
    assert compute["frontal"] == pytest.approx(288 / whole)
    assert compute["temporal"] == pytest.approx(66 / whole)
    assert compute["parietal"] == 0.0

    model.eval()
    _loss(model(INPUTS)).backward()
    squares = {n: float(p.grad.square().sum()) for n, p in model.named_parameters()}
    total = sum(squares.values())
    of_head = sum(v for n, v in squares.items() if n.startswith("head."))
    assert record.regions["temporal"].gradient == pytest.approx(of_head / total)
    assert sum(r.gradient for r in record.regions.values()) == pytest.approx(1.0)
    # without a loss, the gradients that are there; the same ones
    held = engram.anatomy(model)
    assert held.regions["temporal"].gradient == pytest.approx(of_head / total)


def test_change_since_initialisation():
    model, initial = _model(tied=True), _model(tied=True).state_dict()
    with torch.no_grad():
        model.head.bias += 1.0
        model.embedding.weight *= 1.25
    change = {n: r.change for n, r in engram.anatomy(model, initial=initial).regions.items()}
    bias = initial["head.bias"]
    assert change["temporal"] == pytest.approx(math.sqrt(11.0) / float(bias.norm()), rel=1e-5)
    assert change["parietal"] == pytest.approx(0.25, rel=1e-5)
    assert change["frontal"] == 0.0
    assert change["occipital"] is None


def test_change_from_zero_has_no_share():
    model = nn.Linear(2, 2)
    zero = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    assert engram.anatomy(model, initial=zero).regions["temporal"].change is None


def test_frozen_weights_and_rates():
    model = _model()
    model.embedding.requires_grad_(False)
    optimizer = torch.optim.SGD(
        [{"params": model.head.parameters(), "lr": 0.5}, {"params": model.layers.parameters()}],
        lr=0.25,
    )
    regions = engram.anatomy(model, INPUTS, loss=_loss, optimizer=optimizer).regions
    assert (regions["parietal"].trained, regions["parietal"].gradient) == (0, 0.0)
    assert regions["parietal"].rates == []
    assert regions["frontal"].rates == [0.25]
    assert regions["temporal"].rates == [0.5]


def test_a_model_is_left_as_it_was():
    model = _model()
    model.train()
    model.head.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    engram.anatomy(model, {"inputs": INPUTS}, loss=_loss)
    assert model.training
    assert not model.head.training
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_any_module_of_torch():
    torch.manual_seed(0)

    class _Eye(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.eye = nn.Conv1d(4, 4, 1)
            self.norm = nn.BatchNorm1d(4)
            self.layers = nn.LSTM(4, 6)
            self.look = nn.MultiheadAttention(6, 1)
            self.out = nn.Linear(6, 2)

        def forward(self, x, scale):
            seen = self.norm(self.eye(x.transpose(1, 2))).transpose(1, 2)
            held, _ = self.layers(seen * scale)
            return self.out(self.look(held, held, held)[0])

    model = _Eye()
    record = engram.anatomy(model, (torch.randn(7, 3, 4), 2.0), loss=lambda y: y.square().sum())
    shares = {name: region.compute for name, region in record.regions.items()}
    assert all(shares[name] > 0.0 for name in ("occipital", "frontal", "temporal"))
    assert sum(shares.values()) == pytest.approx(1.0)
    assert all(r.gradient > 0.0 for r in record.regions.values() if r.parameters)
    assert int(model.norm.num_batches_tracked) == 0
    without = engram.anatomy(model)
    assert without.multiply_adds is None
    assert without.regions["frontal"].compute is None
    assert without.regions["frontal"].gradient is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"loss": _loss}, "a loss was given without an example"),
        ({"initial": {}}, r"'embedding.weight' has shape \(11, 6\).*state_dict lacks it"),
        ({"initial": _model(hidden=5).state_dict()}, r"state_dict has \(11, 5\)"),
    ],
)
def test_faults(options, text):
    with pytest.raises(ConfigError, match=text):
        engram.anatomy(_model(), **options)
