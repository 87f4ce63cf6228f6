"""Gradient through time: against closed forms, finite differences, and what truncation cuts."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from engram.diagnosis.gradient_reach import describe_decay, gradient_reach
from engram.errors import DataError
from engram.layers import Recurrent
from engram.models.many_to_many import ManyToMany, ModelSettings
from engram.tasks.language_model import probe_of
from engram.tasks.probe import CONTEXTS

IDS = np.random.default_rng(0).integers(1, 6, 4000).astype(np.int32)


def _reach(model, ids, truncation=None, contexts=CONTEXTS, **options):
    return gradient_reach(model, probe_of(ids, truncation=truncation, contexts=contexts), **options)


def _model(cell="lstm", layers=1, hidden=4):
    torch.manual_seed(2)
    return ManyToMany(6, ModelSettings(cell=cell, hidden=hidden, layers=layers)).double()


def test_a_linear_network_decays_by_its_recurrent_weight():
    """With h' = 0.9·h + x (relu, all positive) the gradient falls by 0.9 a step, exactly."""
    model = _model("elman-relu")
    with torch.no_grad():
        model.layers.weight_hh_l0.copy_(0.9 * torch.eye(4, dtype=torch.float64))
        model.layers.bias_ih_l0.fill_(50.0)
    record = _reach(model, IDS, truncation=30)
    decay = record.decays["layer0.h"]
    for lag, norm in enumerate(decay.norms):
        assert norm / decay.norms[0] == pytest.approx(0.9**lag)
    assert decay.half_life == pytest.approx(math.log(2) / -math.log(0.9))
    assert decay.horizon == math.floor(math.log(0.01) / math.log(0.9))
    assert not decay.beyond


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
def test_norms_equal_finite_differences(cell):
    """Nudge the state k steps before the target, and see what the one loss does."""
    model = _model(cell, layers=2, hidden=3)
    lags = 3
    tokens = torch.tensor([1, 4, 2, 5, 3, 2, 1, 4])[:, None]
    ids = tokens[:, 0].numpy().astype(np.int32)
    # the text is as long as one window, so that there is one position only
    record = _reach(model, ids, truncation=9, contexts=(7,), lags=lags, rows=1, warmup=3)
    inputs, target = tokens[:-1], tokens[-1]
    multiple = isinstance(model.layers(model.embedding(inputs))[1], tuple)

    @torch.no_grad()
    def loss_after_nudge(lag, layer, unit, amount):
        """Layer by layer, as the graph does: a nudge at one step feeds on in time and upwards."""
        x = model.embedding(inputs)
        for index in range(2):
            single = _single_layer(model.layers, index)
            state, outputs = None, []
            for t in range(len(inputs)):
                _, state = single(x[t : t + 1], state)
                parts = list(state) if multiple else [state]
                if index == layer and t == len(inputs) - 1 - lag:
                    parts[0] = parts[0].clone()
                    parts[0][0, 0, unit] += amount
                state = tuple(parts) if multiple else parts[0]
                outputs.append(parts[0][0])
            x = torch.stack(outputs)
        return float(cross_entropy(model.head(x[-1]), target))

    for layer in range(2):
        for lag in range(lags + 1):
            slopes = [
                (loss_after_nudge(lag, layer, u, 1e-6) - loss_after_nudge(lag, layer, u, -1e-6))
                / 2e-6
                for u in range(3)
            ]
            measured = record.decays[f"layer{layer}.h"].norms[lag]
            assert measured == pytest.approx(math.hypot(*slopes), rel=1e-5)


def _single_layer(stack, index):
    single = Recurrent(stack.cell, 3, 3).double()
    own = {
        name.replace(f"_l{index}", "_l0"): value
        for name, value in stack.state_dict().items()
        if name.endswith(f"_l{index}")
    }
    single.load_state_dict(own)
    return single


def test_truncation_is_labelled_as_cut_and_not_as_vanished():
    model = _model("elman-relu")
    with torch.no_grad():
        model.layers.weight_hh_l0.copy_(0.99 * torch.eye(4))
        model.layers.bias_ih_l0.fill_(50.0)
    record = _reach(model, IDS, truncation=40, lags=80)
    assert record.label("layer0.h", 39) == "reached"
    assert record.label("layer0.h", 40) == "cut"
    assert record.decays["layer0.h"].beyond
    assert record.decays["layer0.h"].horizon == 80
    with torch.no_grad():
        model.layers.weight_hh_l0.copy_(0.5 * torch.eye(4))
    record = _reach(model, IDS, truncation=40, lags=80)
    assert record.label("layer0.h", 39) == "vanished"
    assert record.label("layer0.h", 41) == "cut"


def test_weights_and_mode_are_left_alone():
    model = _model()
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    _reach(model, IDS, truncation=10)
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(("length", "lags"), [(3, 0), (100, 29), (300, 100)])
def test_short_text_shortens_the_lags(length, lags):
    record = _reach(_model(), IDS[:length], truncation=50)
    assert len(record.decays["layer0.c"].norms) == lags + 1


def test_too_short_text_is_refused():
    with pytest.raises(DataError, match="too short to trace a gradient back"):
        _reach(_model(), IDS[:1], truncation=50)


@pytest.mark.parametrize(
    ("norms", "half_life", "horizon", "beyond"),
    [
        ([1.0, 0.5, 0.25], 1.0, 2, True),
        ([1.0, 0.25, 0.005], 0.5, 1, False),
        ([1.0, 1.1, 1.2], None, 2, True),
        ([1.0, 0.0, 0.0], 1.0, 0, False),
        ([1.0, 0.6, 0.001, 0.5], 1 + math.log(1.2) / math.log(600), 1, False),
    ],
)
def test_half_life_and_horizon(norms, half_life, horizon, beyond):
    decay = describe_decay(norms)
    assert decay.half_life == (None if half_life is None else pytest.approx(half_life))
    assert (decay.horizon, decay.beyond) == (horizon, beyond)
