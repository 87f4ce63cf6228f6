"""Blocks of the recurrent matrix that a cell keeps at zero, whatever happens to the weights."""

import copy

import pytest
import torch

import engram
from engram.cells import LSTM

H = 3
FGR = LSTM(full_gate_recurrence=True)
# the candidate's rows, and the columns of the gates' last activations
CANDIDATE, LAST = slice(2 * H, 3 * H), slice(H, 4 * H)


def _layer(**options):
    return engram.Recurrent(FGR, 2, H, num_layers=2, bidirectional=True, **options)


@pytest.mark.parametrize("init", ["uniform", "orthogonal"])
def test_they_start_at_zero_and_nothing_else_does(init):
    layer = _layer(init=init)
    for name, weight in layer.named_parameters():
        if name.startswith("weight_hh"):
            assert (weight[CANDIDATE, LAST] == 0).all()
            assert int((weight == 0).sum()) == 3 * H * H


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_their_values_mean_nothing_and_their_gradients_are_zero(engine):
    layer = _layer(engine=engine)
    x = torch.randn(5, 4, 2)
    expected, _ = layer(x)
    with torch.no_grad():
        for suffix in ("l0", "l0_reverse", "l1", "l1_reverse"):
            getattr(layer, f"weight_hh_{suffix}")[CANDIDATE, LAST] = torch.nan
    output, _ = layer(x)
    torch.testing.assert_close(output, expected)
    (gradient,) = torch.autograd.grad(output.sum(), [layer.weight_hh_l0])
    assert (gradient[CANDIDATE, LAST] == 0).all()
    assert int((gradient == 0).sum()) == 3 * H * H


def test_nor_do_they_in_single_steps():
    layer = engram.Recurrent(FGR, 2, H)
    with torch.no_grad():
        layer.weight_hh_l0[CANDIDATE, LAST] = 5.0
    x = torch.randn(4, 2, 2)
    expected, _ = layer(x)
    state, outputs = None, []
    with torch.no_grad():
        for x_t in x:
            output, state = layer.step(x_t, state)
            outputs.append(output)
    torch.testing.assert_close(torch.stack(outputs), expected.detach())


def test_a_step_of_training_leaves_them_at_zero():
    layer = _layer()
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.randn(5, 4, 2))[0].square().sum().backward()
        optimizer.step()
    assert (layer.weight_hh_l1_reverse[CANDIDATE, LAST] == 0).all()


def test_what_marks_them_is_no_part_of_the_weights_and_moves_with_the_layer():
    layer = _layer()
    assert "unconnected" not in layer.state_dict()
    assert copy.deepcopy(layer).unconnected.sum() == 3 * H * H
    assert layer.to("meta").unconnected.device.type == "meta"
    assert engram.LSTM(2, H).unconnected is None
