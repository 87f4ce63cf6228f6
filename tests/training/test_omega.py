"""Ω against a literal reading of the paper, one row and one step at a time, and differences."""

import itertools

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import engram
from engram.cells import GRU, LSTM, Elman
from engram.errors import ConfigError
from engram.layers import Recurrent
from engram.training.penalties import Penalties
from engram.training.penalties.omega import SLOPES, omega_obstacle
from engram.training.settings import TrainingSettings

T, B, I, H = 7, 3, 4, 5  # noqa: E741
WEIGHT = 0.7
PHI = {"tanh": torch.tanh, "relu": torch.relu}


class Model(nn.Module):
    """An Elman stack with a head; the loss looks at every output and at the final state."""

    def __init__(self, activation="tanh", **options):
        super().__init__()
        self.layers = Recurrent(Elman(activation), I, H, **options, dtype=torch.float64)
        width = H * (2 if self.layers.bidirectional else 1)
        self.head = nn.Linear(width, 2, dtype=torch.float64)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.normal_(0.0, 0.6)

    def loss(self, x, state=None, **given):
        output, state = self.layers(x, state, **given)
        return self.head(output).tanh().square().sum(), state


def _omega(model, run):
    """Ω, and what it adds to every gradient; run makes the loss."""
    gradients = []
    for weight in (0.0, WEIGHT):
        torch.manual_seed(7)  # the same dropout
        penalties = Penalties(model, TrainingSettings(omega=weight))
        with penalties.watching():
            model.zero_grad()
            loss = penalties.added_to(run())
            loss.backward(retain_graph=penalties.needs_graph)
            values = penalties.after_backward(0)
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters()})
    added = {n: (gradients[1][n] - gradients[0][n]) / WEIGHT for n in gradients[0]}
    return values["omega"], added


def _literal_terms(recurrent, slopes, by_input, links):
    """Ω_k for each of the links (row, k, k + 1); a function of the recurrent matrix alone."""
    terms = []
    for row, k, later in links:
        delta = by_input[later, row]
        if not delta.any():  # all relus are off
            continue
        before = slopes[k, row] * (recurrent.t() @ delta)
        terms.append((before.norm() / delta.norm() - 1) ** 2)
    return terms


def _literal(model, x, links, activation="tanh", use_state=True):
    """One layer: preactivations and ∂E/∂x_k by autograd, then the paper's formula."""
    layer = model.layers
    w_in, w = layer.weight_ih_l0.detach(), layer.weight_hh_l0.detach()
    bias = (layer.bias_ih_l0 + layer.bias_hh_l0).detach()
    state, nodes, outputs = torch.zeros(x.shape[1], H, dtype=x.dtype), [], []
    for step in x:
        node = (step @ w_in.t() + state @ w.t() + bias).requires_grad_()
        nodes.append(node)
        state = PHI[activation](node)
        outputs.append(state)
    loss = model.head(torch.stack(outputs)).tanh().square().sum()
    if use_state:
        loss = loss + state.square().sum()
    by_input = torch.stack(torch.autograd.grad(loss, nodes))
    slopes = torch.stack(
        [torch.autograd.grad(PHI[activation](n).sum(), n)[0].detach() for n in nodes]
    )
    free = w.clone().requires_grad_()
    value = torch.stack(_literal_terms(free, slopes, by_input, links)).sum() / x.shape[1]
    (gradient,) = torch.autograd.grad(value, free)
    return value.item(), gradient, (w, slopes, by_input)


def _with_state(model, x, **given):
    loss, state = model.loss(x, **given)
    return loss + state.square().sum()


ALL = list(itertools.product(range(B), range(T - 1)))


@pytest.mark.parametrize("engine", ["auto", "reference", "torch"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_value_and_gradient_are_those_of_the_paper(activation, engine):
    model = Model(activation, engine=engine)
    x = torch.randn(T, B, I, dtype=torch.float64)
    value, added = _omega(model, lambda: _with_state(model, x))
    links = [(row, k, k + 1) for row, k in ALL]
    expected, gradient, _ = _literal(model, x, links, activation)
    assert value == pytest.approx(expected, rel=1e-9)
    assert_close(added.pop("layers.weight_hh_l0"), gradient, rtol=1e-8, atol=1e-10)
    for other in added.values():  # differentiated through nothing else
        assert_close(other, torch.zeros_like(other), rtol=0, atol=1e-9)


def test_gradient_is_the_difference_of_the_immediate_part():
    model = Model()
    x = torch.randn(T, B, I, dtype=torch.float64)
    _, added = _omega(model, lambda: _with_state(model, x))
    links = [(row, k, k + 1) for row, k in ALL]
    _, _, (w, slopes, by_input) = _literal(model, x, links)
    step = 1e-6
    for i, j in [(0, 0), (1, 3), (4, 2)]:
        values = []
        for sign in (1, -1):
            moved = w.clone()
            moved[i, j] += sign * step
            terms = _literal_terms(moved, slopes, by_input, links)
            values.append(float(torch.stack(terms).sum()) / B)
        difference = (values[0] - values[1]) / (2 * step)
        assert float(added["layers.weight_hh_l0"][i, j]) == pytest.approx(difference, rel=1e-6)


def test_marks_and_lengths_cut_links():
    model = Model()
    x = torch.randn(T, B, I, dtype=torch.float64)
    reset = torch.zeros(T, B, dtype=torch.bool)
    reset[3, 1] = True
    lengths = [T, T, 4]

    def run():
        output, state = model.layers(x, lengths=lengths, reset=reset)
        return model.head(output).tanh().square().sum() + state.square().sum()

    value, added = _omega(model, run)

    def alone(row, first, last):
        """The same as a sequence of its own, as a share of the batch."""
        piece = x[first:last, row : row + 1]
        links = [(0, k, k + 1) for k in range(last - first - 1)]
        own = last == lengths[row]  # the final state counts where the row ends
        value, gradient, _ = _literal(model, piece, links, use_state=own)
        return value / B, gradient / B

    pieces = [alone(0, 0, T), alone(1, 0, 3), alone(1, 3, T), alone(2, 0, 4)]
    # padded outputs are zero and give the loss a constant
    assert value == pytest.approx(sum(v for v, _ in pieces), rel=1e-9)
    expected = sum(g for _, g in pieces)
    assert_close(added["layers.weight_hh_l0"], expected, rtol=1e-8, atol=1e-10)


def test_pieces_are_the_whole():
    """A window that runs in pieces, as truncation with k2 > k1 makes them."""
    model = Model()
    x = torch.randn(T, B, I, dtype=torch.float64)

    def in_pieces():
        losses, state = [], None
        for part in x.split([2, 4, 1]):
            loss, state = model.loss(part, state)
            losses.append(loss)
        return torch.stack(losses).sum() + state.square().sum()

    whole = _omega(model, lambda: _with_state(model, x))
    pieces = _omega(model, in_pieces)
    assert pieces[0] == pytest.approx(whole[0], rel=1e-9)
    for name, gradient in whole[1].items():
        assert_close(pieces[1][name], gradient, rtol=1e-8, atol=1e-9)


def test_the_second_direction_is_the_first_one_backwards():
    both = Model(bidirectional=True)
    with torch.no_grad():
        both.head.weight[:, :H] = 0.0  # the loss looks at the second direction alone
    one = Model()
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(one.layers, name + "_l0").copy_(getattr(both.layers, name + "_l0_reverse"))
        one.head.weight.copy_(both.head.weight[:, H:])
        one.head.bias.copy_(both.head.bias)
    x = torch.randn(T, B, I, dtype=torch.float64)
    value, added = _omega(both, lambda: both.loss(x)[0])
    expected, gradients = _omega(one, lambda: one.loss(x.flip(0))[0])
    assert value == pytest.approx(expected, rel=1e-9)
    gradient = gradients["layers.weight_hh_l0"]
    assert_close(added["layers.weight_hh_l0_reverse"], gradient, rtol=1e-8, atol=1e-10)
    assert_close(added["layers.weight_hh_l0"], torch.zeros_like(gradient), rtol=0, atol=1e-10)


def test_layers_add_up():
    """The lower layer's gradient comes through the upper one."""
    model = Model(num_layers=2)
    x = torch.randn(T, B, I, dtype=torch.float64)
    value, added = _omega(model, lambda: model.loss(x)[0])
    # the upper layer alone, on the lower one's outputs
    upper = Model()
    with torch.no_grad():
        lower = Recurrent(Elman(), I, H, dtype=torch.float64)
        lower.load_state_dict({k: v for k, v in model.layers.state_dict().items() if "_l0" in k})
        upper.layers = Recurrent(Elman(), H, H, dtype=torch.float64)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(upper.layers, name + "_l0").copy_(getattr(model.layers, name + "_l1"))
        upper.head.load_state_dict(model.head.state_dict())
        between = lower(x)[0]
    value_of_upper, of_upper = _omega(upper, lambda: upper.loss(between)[0])
    gradient = of_upper["layers.weight_hh_l0"]
    assert_close(added["layers.weight_hh_l1"], gradient, rtol=1e-8, atol=1e-10)
    assert value > value_of_upper
    assert added["layers.weight_hh_l0"].abs().max() > 1e-3


def test_dropped_weights_get_no_gradient():
    model = Model(weight_drop=0.5)
    x = torch.randn(T, B, I, dtype=torch.float64)
    seen = []
    model.layers.watchers.append(lambda p: seen.append(p.weights["layer0"].recurrent.detach()))
    value, added = _omega(model, lambda: _with_state(model, x))
    assert torch.equal(seen[0], seen[1])
    gradient = added["layers.weight_hh_l0"]
    dropped = seen[1] == 0
    assert dropped.any()
    assert_close(gradient[dropped], torch.zeros_like(gradient[dropped]), rtol=0, atol=1e-10)
    plain = Model()
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        plain.layers.weight_hh_l0.copy_(seen[1])
    expected, on_dropped = _omega(plain, lambda: _with_state(plain, x))
    assert value == pytest.approx(expected, rel=1e-9)
    scaled = 2.0 * on_dropped["layers.weight_hh_l0"][~dropped]
    assert_close(gradient[~dropped], scaled, rtol=1e-8, atol=1e-9)


def test_a_frozen_layer_is_left_alone():
    model, free = Model(num_layers=2), Model(num_layers=2)
    free.load_state_dict(model.state_dict())
    for name, parameter in model.layers.named_parameters():
        parameter.requires_grad_("_l1" in name)
    x = torch.randn(T, B, I, dtype=torch.float64)
    penalties = Penalties(model, TrainingSettings(omega=1.0))
    with penalties.watching():
        penalties.added_to(model.loss(x)[0]).backward(retain_graph=True)
        before = model.layers.weight_hh_l1.grad.clone()
        penalties.after_backward(0)
    _, added = _omega(free, lambda: free.loss(x)[0])
    assert model.layers.weight_hh_l0.grad is None
    gradient = model.layers.weight_hh_l1.grad - before
    assert_close(gradient, added["layers.weight_hh_l1"], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", SLOPES)
def test_slopes(name):
    x = torch.linspace(-3.0, 3.0, 40, dtype=torch.float64).requires_grad_()
    h = getattr(torch, name)(x)
    (slope,) = torch.autograd.grad(h.sum(), x)
    assert_close(SLOPES[name](h.detach()), slope)


def test_a_gradient_that_is_gone_has_no_ratio():
    model = Model()
    with torch.no_grad():
        model.layers.weight_hh_l0.mul_(1e-200)
    x = torch.randn(T, B, I, dtype=torch.float64)

    def last_only():
        return model.head(model.layers(x)[0][-1]).square().sum()

    value, added = _omega(model, last_only)
    assert value == pytest.approx(1.0)  # the link from the last step; before it there is nothing
    assert added["layers.weight_hh_l0"].isfinite().all()


def test_the_schedule_falls_with_epochs():
    model = Model()
    x = torch.randn(T, B, I, dtype=torch.float64)
    changes = {}
    for schedule, epoch in [("constant", 3), ("inverse", 0), ("inverse", 3)]:
        settings = TrainingSettings(omega=WEIGHT, omega_schedule=schedule)
        penalties = Penalties(model, settings)
        with penalties.watching():
            model.zero_grad()
            penalties.added_to(_with_state(model, x)).backward(retain_graph=True)
            plain = model.layers.weight_hh_l0.grad.clone()
            penalties.after_backward(epoch)
        changes[schedule, epoch] = model.layers.weight_hh_l0.grad - plain
    assert_close(changes["inverse", 0], changes["constant", 3])
    assert_close(changes["inverse", 3], changes["constant", 3] / 4)


@pytest.mark.parametrize("cell", [LSTM(), GRU(), Elman(leak=0.9)])
def test_other_cells_are_refused(cell):
    assert repr(cell) in omega_obstacle(cell)
    model = nn.Sequential(Recurrent(cell, I, H))
    with pytest.raises(ConfigError, match=r"omega is defined for an Elman network.*use --cell el"):
        Penalties(model, TrainingSettings(omega=1.0))
    assert omega_obstacle(Elman("relu")) is None


def test_nothing_is_watched_without_penalties():
    model = nn.Sequential(engram.LSTM(I, H))
    with Penalties(model, TrainingSettings()).watching():
        assert model[0].watchers == []
    with Penalties(model, TrainingSettings(norm_stabilizer=1.0)).watching():
        assert len(model[0].watchers) == 1
    assert model[0].watchers == []
