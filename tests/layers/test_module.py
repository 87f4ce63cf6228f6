"""A layer among torch's modules: copies, dtypes, grad modes, layouts, functional calls."""

import copy

import pytest
import torch
from torch.nn.utils import parametrizations
from torch.testing import assert_close

import engram
from engram.cells import CELLS, make_cell

I, H, T, B = 3, 5, 7, 4  # noqa: E741
pytestmark = pytest.mark.filterwarnings("ignore:.*runs on the reference engine:UserWarning")
by_cell = pytest.mark.parametrize("name", CELLS)
by_engine = pytest.mark.parametrize("engine", ["torch", "reference"])


def _layer(name="lstm", **options):
    return engram.Recurrent(make_cell(name), I, H, 2, bidirectional=True, **options)


def _input():
    return torch.randn(T, B, I)


@by_cell
def test_a_deep_copy_is_equal_and_independent(name):
    layer, x = _layer(name), _input()
    twin = copy.deepcopy(layer)
    expected = layer(x)
    assert_close(twin(x), expected)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.zero_()
    assert_close(twin(x), expected)


@by_cell
def test_a_state_dict_saved_as_tensors_alone_restores_the_layer(name, tmp_path):
    layer, x = _layer(name), _input()
    torch.save(layer.state_dict(), tmp_path / "weights.pt")
    fresh = _layer(name)
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert fresh.load_state_dict(weights, strict=True).missing_keys == []
    assert_close(fresh(x), layer(x))


@by_engine
def test_in_float64(engine):
    layer, x = _layer(engine=engine), _input()
    single, _ = layer(x)
    double, (h, c) = layer.to(torch.float64)(x.double())
    assert double.dtype == h.dtype == c.dtype == torch.float64
    assert_close(single.double(), double, rtol=1e-5, atol=1e-5)


@by_engine
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(mode, engine):
    layer, x = _layer(engine=engine), _input()
    expected, expected_after = layer(x)
    with mode():
        output, after = layer(x)
    assert not output.requires_grad
    assert_close((output, after), (expected, expected_after))


@by_engine
def test_layouts_do_not_matter(engine):
    layer = _layer(engine=engine)
    row = torch.randn(T, 1, I)
    state = torch.randn(4, 1, H).expand(4, B, H), torch.randn(H, B, 4).permute(2, 1, 0)
    strided = torch.randn(I, B, 2 * T)[:, :, ::2].permute(2, 1, 0)
    for x in (row.expand(T, B, I), strided):
        assert not x.is_contiguous()
        lengths, reset = [7, 1, 5, 3], (torch.rand(B, T) < 0.3).T
        whole = tuple(s.contiguous() for s in state)
        assert_close(
            layer(x, state, lengths=lengths, reset=reset),
            layer(x.contiguous(), whole, lengths=lengths, reset=reset.contiguous()),
        )


@by_engine
def test_weights_given_to_a_functional_call_are_used(engine):
    layer, other, x = _layer(engine=engine), _layer(engine=engine), _input()
    weights = {key: value.detach().clone() for key, value in other.named_parameters()}
    assert_close(torch.func.functional_call(layer, weights, (x,)), other(x))


@by_engine
def test_a_parametrized_weight_is_used(engine):
    layer = engram.RNN(I, H, engine=engine)
    parametrizations.orthogonal(layer, "weight_hh_l0")
    plain = engram.RNN(I, H, engine="reference")
    plain.load_state_dict(
        {key: getattr(layer, key).detach() for key in dict(plain.named_parameters())}
    )
    assert_close(layer.weight_hh_l0 @ layer.weight_hh_l0.T, torch.eye(H))
    x = _input()
    assert_close(layer(x), plain(x))


@by_engine
def test_under_autocast(engine):
    layer, x = _layer(engine=engine), _input()
    expected, _ = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, _ = layer(x)
    assert_close(output.float(), expected, rtol=0.05, atol=0.05)


def test_frozen_weights_take_no_gradient():
    layer, x = _layer(), _input()
    layer.requires_grad_(False)
    x.requires_grad_()
    layer(x)[0].sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in layer.parameters())


def test_the_print_names_what_differs_from_the_default():
    layer = engram.LSTM(I, H, num_layers=2, batch_first=True, engine="reference")
    assert repr(layer) == "LSTM(LSTM(), 3, 5, num_layers=2, batch_first=True, engine=reference)"
