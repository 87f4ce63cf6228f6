"""record() and unrolled: gates from which the states follow, and states to take gradients of."""

import pytest
import torch
from torch.testing import assert_close

import engram
from engram.layers.unrolled import unrolled

I, H, T, B = 3, 5, 7, 4  # noqa: E741


def _layer(kind, **options):
    return kind(I, H, num_layers=2, dtype=torch.float64, **options)


def _input():
    return torch.randn(T, B, I, dtype=torch.float64)


def _states(layer):
    shape = (layer.num_layers * (1 + layer.bidirectional), B, H)
    return tuple(torch.randn(shape, dtype=torch.float64) for _ in layer.cell.states)


def _before(recording, name, state, initial):
    """The states before each step, in time order, for the direction that `name` names."""
    steps = recording[f"{name}.{state}"]
    if name.endswith("_reverse"):
        return torch.cat([steps[1:], initial.unsqueeze(0)])
    return torch.cat([initial.unsqueeze(0), steps[:-1]])


NAMES = {False: ["layer0", "layer1"]}
NAMES[True] = [name + way for name in NAMES[False] for way in ("", "_reverse")]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_lstm_states_follow_from_the_recorded_gates(bidirectional):
    layer = _layer(engram.LSTM, bidirectional=bidirectional)
    h0, c0 = _states(layer)
    recording = layer.record(_input(), (h0, c0))
    assert set(recording) == {f"{n}.{k}" for n in NAMES[bidirectional] for k in "ifgohc"}
    for index, name in enumerate(NAMES[bidirectional]):
        i, f, g, o, h, c = (recording[f"{name}.{k}"] for k in "ifgohc")
        assert i.shape == (T, B, H)
        assert_close(f * _before(recording, name, "c", c0[index]) + i * g, c)
        assert_close(o * torch.tanh(c), h)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_gru_state_follows_from_the_recorded_gates(bidirectional):
    layer = _layer(engram.GRU, bidirectional=bidirectional)
    (h0,) = _states(layer)
    recording = layer.record(_input(), h0)
    assert set(recording) == {f"{n}.{k}" for n in NAMES[bidirectional] for k in "rznh"}
    for index, name in enumerate(NAMES[bidirectional]):
        z, n, h = (recording[f"{name}.{k}"] for k in "znh")
        assert_close((1 - z) * n + z * _before(recording, name, "h", h0[index]), h)


def test_gru_candidate_follows_from_the_recorded_reset_gate():
    layer = engram.GRU(I, H, dtype=torch.float64)
    x = _input()
    recording = layer.record(x)
    before = _before(recording, "layer0", "h", torch.zeros(B, H, dtype=torch.float64))
    from_x = (x @ layer.weight_ih_l0.T + layer.bias_ih_l0).chunk(3, dim=2)
    from_h = (before @ layer.weight_hh_l0.T + layer.bias_hh_l0).chunk(3, dim=2)
    assert_close(recording["layer0.r"], torch.sigmoid(from_x[0] + from_h[0]))
    assert_close(recording["layer0.n"], torch.tanh(from_x[2] + recording["layer0.r"] * from_h[2]))


@pytest.mark.parametrize("kind", [engram.LSTM, engram.GRU, engram.RNN])
@pytest.mark.parametrize("batch_first", [False, True])
def test_what_is_recorded_is_what_comes_out(kind, batch_first):
    layer = _layer(kind, bidirectional=True, batch_first=batch_first)
    x, states = _input(), _states(layer)
    given = x.transpose(0, 1) if batch_first else x
    lengths = [7, 3, 1, 5]
    reset = torch.rand(T, B) < 0.3
    marks = reset.T if batch_first else reset
    output, after = layer(given, states, lengths=lengths, reset=marks)
    output = output.transpose(0, 1) if batch_first else output
    after = after if isinstance(after, tuple) else (after,)
    recording = layer.record(given, states, lengths=lengths, reset=marks)
    emitted = torch.cat([recording["layer1.h"], recording["layer1_reverse.h"]], dim=2)
    for row, length in enumerate(lengths):
        assert_close(emitted[:length, row], output[:length, row])
        for state, last in zip(layer.cell.states, after, strict=True):
            assert_close(recording[f"layer1.{state}"][length - 1, row], last[2, row])
            assert_close(recording[f"layer1_reverse.{state}"][0, row], last[3, row])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_rows_are_recorded_as_if_alone(bidirectional):
    layer = _layer(engram.LSTM, bidirectional=bidirectional)
    x, lengths = _input(), [7, 3, 1, 5]
    recording = layer.record(x, lengths=lengths)
    for row, length in enumerate(lengths):
        alone = layer.record(x[:length, row : row + 1])
        for name, value in alone.items():
            assert_close(recording[name][:length, row : row + 1], value)


def test_a_recording_without_a_batch_has_a_batch_of_one():
    layer, x = _layer(engram.GRU), torch.randn(T, I, dtype=torch.float64)
    assert_close(layer.record(x), layer.record(x.unsqueeze(1)))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_unrolled_is_the_pass_and_its_states_take_gradients(bidirectional):
    layer = _layer(engram.LSTM, bidirectional=bidirectional)
    x, states = _input(), _states(layer)
    model = torch.nn.ModuleDict({"deep": layer})
    with unrolled(model) as passes:
        found = layer(x, states)
    passed = passes["deep"][0]
    assert_close(found, layer(x, states))
    assert len(passes["deep"]) == 1
    assert list(passed.results) == NAMES[bidirectional]
    for name in NAMES[bidirectional]:
        steps = passed.results[name].steps
        assert len(steps) == T
        gradients = torch.autograd.grad(
            passed.output.sum(), [step["c"] for step in steps], retain_graph=True
        )
        assert all(g.abs().min() > 0 for g in gradients)


def test_hooks_run_while_steps_are_seen():
    layer, x = _layer(engram.GRU), _input()
    layer.register_forward_hook(lambda _, __, out: (2 * out[0], out[1]))
    with unrolled(layer):
        doubled, _ = layer(x)
    assert_close(doubled, layer(x)[0])


def test_a_fault_ends_seeing_steps():
    layer = _layer(engram.GRU)
    with pytest.raises(ValueError, match="planted"), unrolled(layer):
        raise ValueError("planted")
    assert not layer.sees_steps
    assert not layer.watchers


def test_the_gradient_of_an_unrolled_state_is_the_one_of_a_run_from_there():
    layer, x, cut = engram.GRU(I, H, dtype=torch.float64), _input(), 3
    with unrolled(layer) as passes:
        layer(x)
    steps = passes[""][0].results["layer0"].steps
    (gradient,) = torch.autograd.grad(steps[-1]["h"].square().sum(), [steps[cut]["h"]])
    state = steps[cut]["h"].detach().unsqueeze(0).requires_grad_()
    _, last = layer(x[cut + 1 :], state)
    (expected,) = torch.autograd.grad(last.square().sum(), [state])
    assert_close(gradient, expected.squeeze(0))
