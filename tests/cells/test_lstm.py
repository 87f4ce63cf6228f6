"""The LSTM's options: what they declare, what contradicts itself, and where weights start."""

import pytest
import torch

import engram
from engram.cells import LSTM
from engram.errors import ConfigError

DECLARED = [
    # options, gates, states, weights, forget gate
    ({}, "ifgo", "h c", "", "f"),
    ({"peepholes": True}, "ifgo", "h c", "p_i p_f p_o", "f"),
    ({"coupled": True, "peepholes": True}, "igo", "h c", "p_i p_o", None),
    ({"input_gate": False}, "fgo", "h c", "", "f"),
    ({"forget_gate": False, "peepholes": True}, "igo", "h c", "p_i p_o", None),
    ({"output_gate": False}, "ifg", "h c", "", "f"),
    ({"full_gate_recurrence": True}, "ifgo", "h c last_i last_f last_o", "", "f"),
    ({"full_gate_recurrence": True, "coupled": True}, "igo", "h c last_i last_o", "", None),
]


@pytest.mark.parametrize(("options", "gates", "states", "weights", "forget_gate"), DECLARED)
def test_options_change_what_is_declared(options, gates, states, weights, forget_gate):
    cell = LSTM(**options)
    assert "".join(cell.gates) == gates
    assert " ".join(cell.states) == states
    assert " ".join(cell.weights) == weights
    assert cell.forget_gate == forget_gate
    assert cell.torch_layer == (None if options else "lstm")


REFUSED = [
    (
        {"coupled": True, "input_gate": False},
        ["coupled uses 1 - i as the forget gate, and input_gate=False removes i"],
    ),
    (
        {"coupled": True, "forget_gate": False},
        ["coupled makes the forget gate from the input gate, and forget_gate=False removes it"],
    ),
    (
        {"peepholes": True, "full_gate_recurrence": True}
        | dict.fromkeys(("input_gate", "forget_gate", "output_gate"), False),
        ["peepholes feed gates, and no gates are left", "full_gate_recurrence connects gates"],
    ),
    (
        {"input_activation": "tan", "output_activation": "linear"},
        ["input_activation='tan': did you mean 'tanh'?", "output_activation='linear': accepted:"],
    ),
    (
        {"coupled": True, "input_gate": False, "forget_gate": False, "input_activation": "relu"},
        ["removes i", "removes it", "input_activation='relu'"],
    ),
]


@pytest.mark.parametrize(("options", "texts"), REFUSED)
def test_contradictions_are_refused_together_each_with_its_reason(options, texts):
    with pytest.raises(ConfigError) as fault:
        LSTM(**options)
    assert str(fault.value).startswith("LSTM(")
    assert [text for text in texts if text not in str(fault.value)] == []


def test_options_are_given_by_name():
    with pytest.raises(TypeError, match="positional"):
        LSTM(True)


@pytest.mark.parametrize("init", ["uniform", "orthogonal"])
def test_gains_start_at_one_and_shifts_at_zero(init):
    layer = engram.Recurrent(LSTM(layer_norm=True), 3, 4, init=init)
    for name in layer.cell.weights:
        start = 1.0 if name.startswith("gain") else 0.0
        assert torch.equal(getattr(layer, f"{name}_l0"), torch.full((4,), start))


def test_the_forget_bias_of_a_normalised_cell_stands_behind_the_norm():
    cell = LSTM(layer_norm=True)
    layer = engram.Recurrent(cell, 3, 4, forget_bias=2.0)
    assert torch.equal(layer.shift_f_l0, torch.full((4,), 2.0))
    assert torch.equal(layer.shift_i_l0, torch.zeros(4))
    without = engram.Recurrent(cell, 3, 4, bias=False, forget_bias=2.0)
    assert torch.equal(without.shift_f_l0, torch.full((4,), 2.0))


def test_a_coupled_cell_has_no_forget_gate_to_set():
    with pytest.raises(ConfigError, match="but LSTM has no forget gate; leave it out"):
        engram.Recurrent(LSTM(coupled=True), 3, 4, forget_bias=1.0)
