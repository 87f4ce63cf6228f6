"""Gradients through the kernels, however they arrive and of whatever they are asked for."""

import contextlib
import copy
import warnings

import pytest
import torch
from torch.autograd import forward_ad
from torch.utils.checkpoint import checkpoint

import engram
from engram.cells import make_cell
from engram.engine import reference
from engram.engine.compiled import operator
from engram.errors import ConfigError
from helpers.cells_of_every_kind import OF_EVERY_KIND
from helpers.problems import problem
from helpers.tolerances import assert_near

DOUBLE = torch.float64


def _pair(kind=engram.LSTM, **options):
    """A layer on kernels, and the same on the reference engine."""
    layer = kind(4, 17, dtype=DOUBLE, **options)
    plain = copy.deepcopy(layer)
    plain.engine = "reference"
    return layer, plain


def _draw(*shape):
    return torch.randn(*shape, dtype=DOUBLE)


# what a loss makes of a tensor (·, B, H); each brings its gradient in another layout
ARRIVALS = {
    "whole": lambda v, w: (v * w).sum(),
    "expanded": lambda v, w: v.sum(),
    "transposed": lambda v, w: (v.transpose(-2, -1) * w.transpose(-2, -1).contiguous()).sum(),
    "batch first": lambda v, w: (v.transpose(0, 1) * w.transpose(0, 1).contiguous()).sum(),
    "one row": lambda v, w: v[..., 1, :].square().sum(),
    "every other unit": lambda v, w: (v[..., ::2] * w[..., ::2]).sum(),
}


@pytest.mark.parametrize("lengths", [None, torch.tensor([4, 1, 2])], ids=["whole", "lengths"])
@pytest.mark.parametrize("arrival", ARRIVALS)
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_gradients_arrive_in_any_layout(name, arrival, lengths):
    given = problem(make_cell(name), hidden=7, batch=3, steps=4)
    wanted = list(given.tensors.values())
    for of in ("output", *given.cell.states):
        found = []
        for engine in (operator, reference):
            run = given.cell, given.x, given.weights, given.state
            result = engine.run(*run, lengths=lengths)
            value = result.output if of == "output" else result.state[of]
            weights = torch.arange(value.numel(), dtype=DOUBLE).view(value.shape).cos()
            total = ARRIVALS[arrival](value, weights)
            gradients = torch.autograd.grad(
                total, wanted, allow_unused=True, materialize_grads=True
            )
            found.append(dict(zip(given.tensors, gradients, strict=True)))
        assert_near(*found)


@pytest.mark.parametrize(
    "name",
    [*("lstm", "gru", "lstm-peephole", "NoFeedback", "PassedThrough"), *("dropped", "Masked")],
)
def test_the_gradient_of_each_tensor_alone(name):
    given = problem(OF_EVERY_KIND[name], hidden=7, batch=3, steps=4)
    for wanted, tensor in given.tensors.items():
        for other, value in given.tensors.items():
            value.requires_grad_(other == wanted)
        found = []
        for engine in (operator, reference):
            result = engine.run(given.cell, given.x, given.weights, given.state)
            values = [result.output, *result.state.values()]
            total = sum(value.square().sum() for value in values)
            found.append(dict(zip([wanted], torch.autograd.grad(total, [tensor]), strict=True)))
        assert_near(*found)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("kind", [engram.LSTM, engram.GRU])
def test_values_without_gradients(kind, mode):
    layer, _ = _pair(kind, num_layers=2, bidirectional=True)
    x = _draw(6, 3, 4)
    for options in ({}, {"lengths": [6, 2, 4]}, {"reset": torch.rand(6, 3) < 0.3}):
        expected = layer(x, **options)
        with mode():
            found = layer(x, **options)
        torch.testing.assert_close(found, expected)
        assert not found[0].requires_grad


def test_what_inference_mode_left_is_an_input_like_any_other():
    layer, _ = _pair()
    x = _draw(6, 3, 4)
    with torch.inference_mode():
        _, state = layer(x)
    output, _ = layer(x, tuple(s.clone() for s in state))
    output.sum().backward()
    assert layer.weight_hh_l0.grad.isfinite().all()


def test_steps_are_computed_again_where_memory_is_saved():
    layer, _ = _pair()
    x = _draw(6, 3, 4).requires_grad_()
    again = checkpoint(lambda given: layer(given)[0], x, use_reentrant=False)
    found = torch.autograd.grad(again.sum(), [x, *layer.parameters()])
    expected = torch.autograd.grad(layer(x)[0].sum(), [x, *layer.parameters()])
    torch.testing.assert_close(found, expected)


def test_an_input_that_was_changed_after_the_pass_is_refused():
    layer, _ = _pair()
    x = _draw(6, 3, 4)
    output, _ = layer(x)
    x.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


@pytest.mark.parametrize("kind", [engram.LSTM, engram.GRU])
def test_an_output_can_be_detached_in_place(kind):
    layer, _ = _pair(kind)
    output, _ = layer(_draw(6, 3, 4))
    output.detach_()
    assert not output.requires_grad


@contextlib.contextmanager
def _quietly():
    """Without the word that a second gradient runs on the reference engine."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="a gradient of a gradient")
        yield


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"lengths": [3, 1]}], ids=["whole", "lengths"])
@pytest.mark.parametrize("kind", [engram.LSTM, engram.GRU])
def test_second_gradients_equal_finite_differences(kind, options):
    layer = kind(2, 3, dtype=DOUBLE)
    x = _draw(3, 2, 2).requires_grad_()

    def values(given, weight):
        weights = {"weight_hh_l0": weight}
        return torch.func.functional_call(layer, weights, (given,), options)[0]

    with _quietly():
        assert torch.autograd.gradgradcheck(values, (x, layer.weight_hh_l0))


def test_second_gradients_where_a_state_needs_none():
    """After one step, a state that was passed through does not depend on the input."""
    layer = engram.Recurrent(OF_EVERY_KIND["PassedThrough"], 4, 5, dtype=DOUBLE)
    plain = copy.deepcopy(layer)
    plain.engine = "reference"
    x = _draw(1, 2, 4).requires_grad_()
    found = []
    with _quietly():
        for used in (layer.requires_grad_(False), plain.requires_grad_(False)):
            output, _ = used(x)
            (first,) = torch.autograd.grad(output.square().sum(), x, create_graph=True)
            found.append(torch.autograd.grad(first.square().sum(), x))
    torch.testing.assert_close(*found)


def test_that_second_gradients_are_the_references_is_said_once():
    operator._say_once.cache_clear()
    layer, _ = _pair()
    x = _draw(3, 2, 4).requires_grad_()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(3):
            torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
    assert [str(each.message)[:27] for each in said] == ["a gradient of a gradient of"]


@pytest.mark.parametrize("kind", [engram.LSTM, engram.GRU])
def test_forward_mode_and_functional_transforms(kind):
    layer, plain = _pair(kind)
    x, tangent = _draw(5, 3, 4), _draw(5, 3, 4)

    def scaled(used):
        return lambda given: used(given)[0].square().sum()

    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(scaled(plain)(leaf), leaf)
    torch.testing.assert_close(torch.func.grad(scaled(layer))(x), expected)

    slope = (expected * tangent).sum()
    torch.testing.assert_close(torch.func.jvp(scaled(layer), (x,), (tangent,))[1], slope)
    with forward_ad.dual_level():
        moved = scaled(layer)(forward_ad.make_dual(x, tangent))
        torch.testing.assert_close(forward_ad.unpack_dual(moved).tangent, slope)


def test_a_tangent_of_a_weight_or_a_state_is_seen():
    layer, plain = _pair()
    x, state = _draw(5, 3, 4), (_draw(1, 3, 17), _draw(1, 3, 17))
    with forward_ad.dual_level():
        moving = forward_ad.make_dual(state[1], torch.ones_like(state[1]))
        found = forward_ad.unpack_dual(layer(x, (state[0], moving))[0]).tangent
        expected = forward_ad.unpack_dual(plain(x, (state[0], moving))[0]).tangent
        torch.testing.assert_close(found, expected)
        weights = {"weight_hh_l0": forward_ad.make_dual(layer.weight_hh_l0, layer.weight_hh_l0)}
        moved = torch.func.functional_call(layer, weights, (x,))[0]
        assert forward_ad.unpack_dual(moved).tangent.abs().sum() > 0


class TestAutocast:
    """Under autocast, float32 weights meet inputs of any format; nothing may be misread."""

    def _run(self, x):
        layer = engram.LSTM(4, 17)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output, _ = layer(x)
        return layer, output

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
    def test_is_near_full_precision_and_trains(self, dtype):
        x = torch.randn(6, 5, 4)
        layer, output = self._run(x.to(dtype))
        output.float().square().sum().backward()
        expected, _ = layer(x)
        torch.testing.assert_close(output.float(), expected, rtol=0.05, atol=0.02)
        for weight in layer.parameters():
            assert weight.grad.dtype == torch.float32
            assert weight.grad.isfinite().all()

    @pytest.mark.parametrize("batch", [1, 5])
    def test_another_format_is_refused_or_computed_rightly(self, batch):
        x = torch.randn(6, batch, 4, dtype=DOUBLE)
        try:
            layer, output = self._run(x)
        except (ConfigError, RuntimeError):  # torch's own layer raises RuntimeError
            return
        torch.testing.assert_close(output.float(), layer(x.float())[0], rtol=0.05, atol=0.02)


def test_weights_of_two_formats_are_refused():
    layer = engram.LSTM(4, 5)
    layer.weight_hh_l0 = torch.nn.Parameter(layer.weight_hh_l0.detach().double())
    with pytest.raises((ConfigError, RuntimeError), match=r"float64|Double|dtype"):
        layer(torch.randn(3, 5, 4))
