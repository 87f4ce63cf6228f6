"""Clipping: by norm, by value, by the norms so far, unit by unit."""

import numpy as np
import pytest
import torch
from torch import nn

from engram.training.clipping import Clipping, NormHistory, clip, clip_units, gradient_norm
from engram.training.settings import TrainingSettings


def _with_gradients(*values):
    parameters = [nn.Parameter(torch.zeros(len(v))) for v in values]
    for parameter, value in zip(parameters, values, strict=True):
        parameter.grad = torch.tensor(value)
    return parameters


def test_clip_by_norm_keeps_the_direction():
    parameters = _with_gradients([3.0, 0.0], [4.0])
    norm = gradient_norm(parameters)
    assert norm == pytest.approx(5.0)
    assert clip(parameters, norm, 1.0, None)
    torch.testing.assert_close(parameters[0].grad, torch.tensor([0.6, 0.0]))
    torch.testing.assert_close(parameters[1].grad, torch.tensor([0.8]))


def test_clip_by_value_bounds_each_entry():
    parameters = _with_gradients([3.0, -0.5], [-4.0])
    assert clip(parameters, gradient_norm(parameters), None, 1.0)
    torch.testing.assert_close(parameters[0].grad, torch.tensor([1.0, -0.5]))
    torch.testing.assert_close(parameters[1].grad, torch.tensor([-1.0]))


def test_small_gradients_are_left_alone():
    parameters = _with_gradients([0.3, -0.4])
    assert not clip(parameters, gradient_norm(parameters), 1.0, 1.0)
    torch.testing.assert_close(parameters[0].grad, torch.tensor([0.3, -0.4]))


@pytest.mark.parametrize("percentile", [0.0, 10.0, 50.0, 99.5, 100.0])
def test_the_limit_is_the_percentile_of_all_norms_so_far(percentile):
    norms = np.random.default_rng(0).lognormal(size=200)
    history = NormHistory()
    for i, norm in enumerate(norms):
        expected = np.percentile(norms[: i + 1], percentile)
        assert history.limit(norm, percentile) == pytest.approx(expected, rel=1e-12)


def test_clipping_by_percentile_goes_on_from_a_checkpoint():
    norms = np.random.default_rng(1).lognormal(size=40).tolist()

    def clipped(clipping, norm):
        (parameter,) = _with_gradients([norm])
        changed = clipping.apply({"w": parameter}, gradient_norm([parameter]))
        return float(parameter.grad), changed

    settings = TrainingSettings(clip_percentile=30.0, clip_norm=1.5)
    whole = Clipping.of(settings)
    expected = [clipped(whole, norm) for norm in norms]
    assert max(value for value, _ in expected) <= 1.5  # the smaller limit holds
    assert {changed for _, changed in expected} == {True, False}
    parted = Clipping.of(settings)
    first = [clipped(parted, norm) for norm in norms[:25]]
    again = Clipping.of(settings)
    again.load_state_dict(parted.state_dict())
    assert first + [clipped(again, norm) for norm in norms[25:]] == expected


def test_units_are_clipped_to_a_share_of_their_weights():
    weights = torch.tensor([[3.0, 4.0], [0.0, 0.0], [30.0, 40.0]])
    gradients = torch.tensor([[6.0, 8.0], [0.6, 0.8], [0.3, 0.4]])
    parameter = nn.Parameter(weights.clone())
    parameter.grad = gradients.clone()
    bias = nn.Parameter(torch.tensor([0.6, 0.8]))
    bias.grad = torch.tensor([3.0, 4.0])
    still = nn.Parameter(torch.ones(2))
    assert clip_units([parameter, bias, still], 0.1)
    expected = torch.tensor([[0.3, 0.4], [0.6e-4, 0.8e-4], [0.3, 0.4]])
    torch.testing.assert_close(parameter.grad, expected)
    torch.testing.assert_close(bias.grad, torch.tensor([0.06, 0.08]))
    assert still.grad is None
    # as it is now, a second time changes nothing but the last bits
    assert not clip_units([parameter, bias], 0.1 * (1 + 1e-5))


def test_the_last_layer_is_not_clipped_by_units():
    named = {name: _with_gradients([5.0])[0] for name in ("head.weight", "layers.weight_hh_l0")}
    assert Clipping(units=0.01).apply(named, 50**0.5)
    assert float(named["head.weight"].grad) == 5.0
    assert float(named["layers.weight_hh_l0"].grad) == pytest.approx(1e-5)
