"""Each penalty against its formula written out, and what the loop makes of it."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from engram.cells import LSTM, Cell, Elman
from engram.cells.language import tanh
from engram.errors import ConfigError
from engram.layers import Recurrent
from engram.training.penalties import Penalties, obstacles
from engram.training.penalties.spectral import LargestSingularValues, recurrent_blocks
from engram.training.settings import TrainingSettings

T, B, I, H = 6, 3, 4, 5  # noqa: E741


class Model(nn.Module):
    def __init__(self, cell=None, **options):
        super().__init__()
        self.layers = Recurrent(cell or LSTM(), I, H, **options, dtype=torch.float64)
        self.dropout = nn.Dropout(0.5)
        width = H * (2 if self.layers.bidirectional else 1)
        self.head = nn.Linear(width, 2, dtype=torch.float64)

    def forward(self, x, **given):
        output, _ = self.layers(x, **given)
        self.seen = self.dropout(output)
        return self.head(self.seen)


def _added(model, settings, *passes, **given):
    """What penalties add to a loss of zero, and their values."""
    penalties = Penalties(model, settings)
    with penalties.watching():
        for x in passes:
            model(x, **given)
        loss = penalties.added_to(torch.zeros((), dtype=torch.float64))
        values = penalties.after_backward(0)
    return loss, values


def _inputs(steps=T):
    return torch.randn(steps, B, I, dtype=torch.float64)


def test_activation_penalty_is_of_what_the_head_reads():
    model = Model()
    x = _inputs()
    loss, values = _added(model, TrainingSettings(activation_penalty=2.0), x)
    expected = model.seen.detach().square().mean()
    assert (model.seen == 0).any()  # dropout is on
    assert_close(loss.detach(), 2.0 * expected)
    assert values == {"activation_penalty": pytest.approx(float(expected.detach()))}


def test_temporal_penalty_is_of_the_last_layer():
    model = Model(num_layers=2, bidirectional=True)
    x = _inputs()
    loss, values = _added(model, TrainingSettings(temporal_penalty=3.0), x)
    h, _ = model.layers(x)
    expected = sum((h[t + 1] - h[t]).square().sum() for t in range(T - 1)) / ((T - 1) * B * 2 * H)
    assert_close(loss, 3.0 * expected)
    assert values == {"temporal_penalty": pytest.approx(float(expected.detach()))}


def test_norm_stabilizer_is_of_every_layer():
    model = Model(num_layers=2)
    x = _inputs()
    loss, values = _added(model, TrainingSettings(norm_stabilizer=50.0), x)
    recording = model.layers.record(x)
    expected = 0.0
    for name in ("layer0.h", "layer1.h"):
        h = recording[name]
        terms = [(h[t + 1, b].norm() - h[t, b].norm()) ** 2 for t in range(T - 1) for b in range(B)]
        expected = expected + torch.stack(terms).mean()
    assert_close(loss.detach(), 50.0 * expected)
    assert values == {"norm_stabilizer": pytest.approx(float(expected.detach()))}


@pytest.mark.parametrize("name", ["temporal_penalty", "norm_stabilizer"])
def test_steps_that_begin_a_sequence_count_as_without_change(name):
    model = Model()
    x = _inputs()
    reset = torch.zeros(T, B, dtype=torch.bool)
    reset[2, 0] = reset[T - 1, 1] = True
    lengths = [T, T, 3]
    _, values = _added(model, TrainingSettings(**{name: 1.0}), x, reset=reset, lengths=lengths)
    h, _ = model.layers(x, reset=reset, lengths=lengths)
    terms = []
    for b in range(B):
        for t in range(1, lengths[b]):
            if not reset[t, b]:
                change = (
                    (h[t, b] - h[t - 1, b]).square().mean()
                    if name == "temporal_penalty"
                    else (h[t, b].norm() - h[t - 1, b].norm()).square()
                )
                terms.append(float(change.detach()))
    assert len(terms) < (T - 1) * B
    assert values[name] == pytest.approx(sum(terms) / ((T - 1) * B))


@pytest.mark.parametrize("name", ["activation_penalty", "temporal_penalty", "norm_stabilizer"])
def test_successive_passes_are_one_sequence(name):
    """And passes without a gradient, or of an evaluation, are none of it."""
    model = Model()
    model.dropout.p = 0.0
    x = _inputs()
    settings = TrainingSettings(**{name: 1.0})
    _, whole = _added(model, settings, x)
    penalties = Penalties(model, settings)
    with penalties.watching():
        with torch.no_grad():
            model(x)
        model.eval()
        model(x)
        model.train()
        state = None
        for part in x.split([1, 3, 2]):
            output, state = model.layers(part, state)
            model.head(output)
        penalties.added_to(torch.zeros((), dtype=torch.float64))
        pieces = penalties.after_backward(0)
    assert pieces == {name: pytest.approx(whole[name])}


@pytest.mark.parametrize("name", ["temporal_penalty", "norm_stabilizer"])
def test_a_single_step_has_no_change(name):
    _, values = _added(Model(), TrainingSettings(**{name: 1.0}), _inputs(1))
    assert values == {name: 0.0}


@pytest.mark.parametrize("bound", [0.0, 0.5, 100.0])
def test_spectral_penalty_is_of_singular_values_above_the_bound(bound):
    model = Model(num_layers=2)
    settings = TrainingSettings(spectral_penalty=0.1, spectral_bound=bound)
    penalties = Penalties(model, settings)
    zero = torch.zeros((), dtype=torch.float64)
    for _ in range(300):  # one iteration an update
        loss = penalties.added_to(zero)
        values = penalties.after_backward(0)
    largest = [
        torch.linalg.svdvals(block)[0]
        for name, weight in model.layers.named_parameters()
        if name.startswith("weight_hh")
        for block in weight.split(H)
    ]
    expected = sum((s - bound).clamp_min(0.0) ** 2 for s in largest)
    value = float(expected.detach())
    assert values["spectral_penalty"] == pytest.approx(value, rel=1e-6)
    ours = torch.autograd.grad(loss, model.layers.weight_hh_l0)[0]
    theirs = torch.autograd.grad(0.1 * expected, model.layers.weight_hh_l0)[0]
    assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_power_iteration_goes_on_from_a_checkpoint():
    block = torch.randn(30, 30, dtype=torch.float64)
    one = LargestSingularValues()
    values = [one.of("w", block).item() for _ in range(4)]
    penalties = Penalties(Model(), TrainingSettings(spectral_penalty=1.0))
    again = LargestSingularValues()
    again.of("w", block)
    penalties.load_state_dict(again.vectors)
    other = LargestSingularValues(dict(penalties.state_dict()))
    assert [other.of("w", block).item() for _ in range(3)] == values[1:]
    assert values[0] < values[1] < values[3] <= float(torch.linalg.svdvals(block)[0])


def test_orthogonal_penalty_is_the_distance_from_orthogonality():
    model = Model(init="normal")
    loss, values = _added(model, TrainingSettings(orthogonal_penalty=0.5))
    expected = sum(
        ((w.t() @ w - torch.eye(H)) ** 2).sum() for w in model.layers.weight_hh_l0.split(H)
    )
    assert_close(loss, 0.5 * expected)
    assert values == {"orthogonal_penalty": pytest.approx(float(expected.detach()))}
    _, values = _added(Model(init="orthogonal"), TrainingSettings(orthogonal_penalty=0.5))
    assert values["orthogonal_penalty"] < 1e-20


def test_blocks_are_named_by_their_place():
    model = Model(num_layers=2, bidirectional=True)
    named = dict(recurrent_blocks(model))
    assert len(named) == 2 * 2 * 4
    assert torch.equal(
        named["layers.weight_hh_l1_reverse.2"], model.layers.weight_hh_l1_reverse[2 * H : 3 * H]
    )


class Blind(Cell):
    gates = ("a",)
    recurrent = ()

    def step(self, x, r, s, w):
        return {"h": tanh(x.a + s.h)}


def test_what_is_not_defined_is_refused_together():
    settings = TrainingSettings(omega=1.0, spectral_penalty=1.0, orthogonal_penalty=1.0)
    texts = ["omega is defined for", "spectral_penalty needs a rec", "orthogonal_penalty needs a r"]
    faults = obstacles(Blind(), settings)
    assert [text in fault for text, fault in zip(texts, faults, strict=True)] == [True] * 3
    model = nn.Sequential(Recurrent(Blind(), I, H), Recurrent(Blind(), H, H))
    with pytest.raises(ConfigError) as caught:
        Penalties(model, settings)
    assert all(str(caught.value).count(text) == 1 for text in texts)
    assert obstacles(Elman(), settings) == []
    with pytest.raises(ConfigError, match=r"activation_penalty acts on the input of model\.head"):
        Penalties(model, TrainingSettings(activation_penalty=1.0))
