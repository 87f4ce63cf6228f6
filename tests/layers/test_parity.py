"""engram.LSTM, GRU and RNN against torch's own: names of weights, results, gradients."""

import math

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.testing import assert_close

import engram
from engram.errors import ConfigError
from helpers.coverings import covering

LAYERS = {
    "lstm": (engram.LSTM, nn.LSTM, {}),
    "gru": (engram.GRU, nn.GRU, {}),
    "rnn-tanh": (engram.RNN, nn.RNN, {"nonlinearity": "tanh"}),
    "rnn-relu": (engram.RNN, nn.RNN, {"nonlinearity": "relu"}),
}
OPTIONS = {
    "plain": {},
    "stacked": {"num_layers": 3},
    "bidirectional": {"bidirectional": True},
    "stacked, both directions": {"num_layers": 2, "bidirectional": True},
    "batch first": {"num_layers": 2, "batch_first": True},
    "no bias": {"num_layers": 2, "bias": False, "bidirectional": True},
}
by_layer = pytest.mark.parametrize("name", LAYERS)
ENGINES = ["torch", "reference"]
by_engine = pytest.mark.parametrize("engine", ENGINES)
I, H, T, B = 3, 5, 7, 4  # noqa: E741


def by(together=2, **more):
    """Cases in which any values of two or three axes meet: layer, options, and what is given."""
    axes = {"name": list(LAYERS), "options": list(OPTIONS.values())} | more
    return pytest.mark.parametrize(list(axes), covering(*axes.values(), together=together), ids=str)


def _pair(name, engine="auto", **options):
    """Engram's layer and torch's, with the same weights, in float64."""
    ours, theirs, more = LAYERS[name]
    peer = theirs(I, H, dtype=torch.float64, **more, **options)
    layer = ours(I, H, dtype=torch.float64, engine=engine, **more, **options)
    layer.load_state_dict(peer.state_dict())
    return layer, peer


def _input(batch_first=False, **_):
    return torch.randn((B, T, I) if batch_first else (T, B, I), dtype=torch.float64)


def _state(name, shape):
    h, c = torch.randn(2, *shape, dtype=torch.float64)
    return (h, c) if name == "lstm" else h


def _count(num_layers=1, bidirectional=False, **_):
    return num_layers * (2 if bidirectional else 1)


@by()
def test_state_dicts_load_both_ways(name, options):
    ours, theirs, more = LAYERS[name]
    layer, peer = ours(I, H, **more, **options), theirs(I, H, **more, **options)
    assert list(layer.state_dict()) == list(peer.state_dict())
    weights = layer.state_dict()
    peer.load_state_dict(weights, strict=True)
    fresh = ours(I, H, **more, **options)
    fresh.load_state_dict(peer.state_dict(), strict=True)
    for key, value in fresh.state_dict().items():
        assert torch.equal(value, weights[key])


@by(engine=ENGINES)
def test_results_and_gradients(name, options, engine):
    layer, peer = _pair(name, engine, **options)
    x, state = _input(**options), _state(name, (_count(**options), B, H))
    given = [(m, x.clone().requires_grad_()) for m in (layer, peer)]
    results = [(module(x_in, state), module, x_in) for module, x_in in given]
    assert_close(results[0][0], results[1][0])
    gradients = []
    for (output, _), module, x_in in results:
        total = (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum()
        gradients.append(torch.autograd.grad(total, [x_in, *module.parameters()]))
    assert_close(*gradients)


@by()
def test_zero_is_the_initial_state(name, options):
    layer, peer = _pair(name, **options)
    x = _input(**options)
    assert_close(layer(x), peer(x))


@by(engine=ENGINES)
def test_unbatched(name, options, engine):
    layer, peer = _pair(name, engine, **options)
    x = torch.randn(T, I, dtype=torch.float64)
    assert_close(layer(x), peer(x))
    state = _state(name, (_count(**options), H))
    assert_close(layer(x, state), peer(x, state))


LENGTHS = {"sorted": [7, 5, 5, 2], "unsorted": [2, 7, 1, 5], "short": [3, 6, 6, 1]}


@by(together=3, engine=ENGINES, lengths=["sorted", "unsorted"], with_state=[False, True])
def test_packed(name, options, engine, lengths, with_state):
    layer, peer = _pair(name, engine, **options)
    packed = pack_padded_sequence(
        _input(**options),
        torch.tensor(LENGTHS[lengths]),
        batch_first=options.get("batch_first", False),
        enforce_sorted=lengths == "sorted",
    )
    state = _state(name, (_count(**options), B, H)) if with_state else None
    (output, after), (expected, expected_after) = layer(packed, state), peer(packed, state)
    assert_close(output.data, expected.data)
    assert torch.equal(output.batch_sizes, expected.batch_sizes)
    for field in ("sorted_indices", "unsorted_indices"):
        ours, theirs = getattr(output, field), getattr(expected, field)
        assert (ours is theirs is None) or torch.equal(ours, theirs)
    assert_close(after, expected_after)


@by_layer
@by_engine
def test_packed_where_no_row_fills_the_padding(name, engine):
    layer, peer = _pair(name, engine, num_layers=2, bidirectional=True)
    lengths = torch.tensor(LENGTHS["short"])
    x = _input()
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    (output, after), (expected, expected_after) = layer(packed), peer(packed)
    assert_close((output.data, after), (expected.data, expected_after))
    padded, _ = layer(x, lengths=lengths)
    assert padded.shape == (T, B, 2 * H)
    repacked = pack_padded_sequence(padded, lengths, enforce_sorted=False)
    assert_close(repacked.data, expected.data)


@by_layer
@by_engine
def test_dropout_stands_between_layers_and_only_in_training(name, engine):
    layer, peer = _pair(name, engine, num_layers=3, dropout=0.5)
    x = _input()
    assert_close(layer.eval()(x), peer.eval()(x))
    (output, state), (_, expected) = layer.train()(x), peer.train()(x)
    assert not torch.equal(output, layer(x)[0])
    assert name == "rnn-relu" or (output != 0).all(), "something was dropped after the last layer"
    assert_close(_first_layer(state), _first_layer(expected))


def _first_layer(state):
    return state[0][0] if isinstance(state, tuple) else state[0]


@by_layer
@by_engine
def test_dropout_of_everything(name, engine):
    layer, peer = _pair(name, engine, num_layers=2, dropout=1.0)
    x = _input()
    assert_close(layer.train()(x), peer.train()(x))


def test_one_layer_has_nothing_to_drop():
    layer, x = engram.LSTM(I, H, dropout=0.9).train(), torch.randn(T, B, I)
    assert torch.equal(layer(x)[0], layer(x)[0])


@by_layer
@by_engine
def test_weight_drop_of_everything_leaves_no_recurrence(name, engine):
    ours, _, more = LAYERS[name]
    layer = ours(I, H, weight_drop=1.0, engine=engine, dtype=torch.float64, **more)
    without = ours(I, H, engine=engine, dtype=torch.float64, **more)
    without.load_state_dict(layer.state_dict())
    x = _input()
    assert_close(layer.eval()(x), without(x))
    torch.nn.init.zeros_(without.weight_hh_l0)
    assert_close(layer.train()(x), without(x))


@by_layer
def test_initial_weights_have_torch_s_distribution(name):
    ours, theirs, more = LAYERS[name]
    torch.manual_seed(3)
    layer = ours(I, 64, num_layers=2, **more)
    torch.manual_seed(3)
    peer = theirs(I, 64, num_layers=2, **more)
    bound = 1 / math.sqrt(64)
    for weight, expected in zip(layer.parameters(), peer.parameters(), strict=True):
        assert weight.abs().max() <= bound
        assert torch.equal(weight, expected)


def test_rnn_takes_its_arguments_by_position_as_torch_does():
    layer, peer = engram.RNN(I, H, 2, "relu", False, True), nn.RNN(I, H, 2, "relu", False, True)
    assert list(layer.state_dict()) == list(peer.state_dict())
    assert (layer.batch_first, layer.cell.activation) == (peer.batch_first, peer.nonlinearity)
    layer = engram.GRU(I, H, 2, False, True, 0.5, True)
    peer = nn.GRU(I, H, 2, False, True, 0.5, True)
    assert list(layer.state_dict()) == list(peer.state_dict())
    assert (layer.batch_first, layer.dropout) == (peer.batch_first, peer.dropout)


def test_projections_are_refused():
    with pytest.raises(
        ConfigError, match="proj_size is 3; projections are not supported: leave it"
    ):
        engram.LSTM(I, H, proj_size=3)
