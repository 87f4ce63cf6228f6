"""Residual stacks, dropout with a mask a step or one for all, initial states that are learnt."""

import copy
import inspect
import math
from dataclasses import MISSING, fields

import pytest
import torch
from torch.testing import assert_close

import engram
from engram.errors import ConfigError
from engram.layers import VariationalDropout
from engram.layers.options import RecurrentOptions

I, H, T, B = 3, 5, 7, 4  # noqa: E741
by_direction = pytest.mark.parametrize("bidirectional", [False, True])


def _input(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def _part(layer, depth, features):
    """One layer of a stack as a stack of one."""
    part = engram.LSTM(features, H, bidirectional=layer.bidirectional, dtype=torch.float64)
    own = {key: layer.state_dict()[key.replace("_l0", f"_l{depth}")] for key in part.state_dict()}
    part.load_state_dict(own)
    return part


@by_direction
def test_every_layer_but_the_first_adds_what_comes_from_below(bidirectional):
    layer = engram.LSTM(I, H, 3, bidirectional=bidirectional, residual=True, dtype=torch.float64)
    x, width = _input(T, B, I), H * (1 + bidirectional)
    below, first = _part(layer, 0, I)(x)
    states = [first]
    for depth in (1, 2):
        above, state = _part(layer, depth, width)(below)
        below = above + below
        states.append(state)
    expected = tuple(torch.cat(each) for each in zip(*states, strict=True))
    assert_close(layer(x), (below, expected))
    last = torch.cat(
        [layer.record(x)[f"layer2{way}.h"] for way in ("", "_reverse")[: width // H]], 2
    )
    assert_close(last, above, msg="a recording is of the cell alone")


def test_what_is_added_is_from_before_dropout():
    layer = engram.GRU(I, H, 2, residual=True, dropout=1.0, dtype=torch.float64)
    x = _input(T, B, I)
    nothing = torch.zeros(T, B, H, dtype=torch.float64)
    first = engram.GRU(I, H, dtype=torch.float64)
    first.load_state_dict({k: layer.state_dict()[k] for k in first.state_dict()})
    second = engram.GRU(H, H, dtype=torch.float64)
    second.load_state_dict({k: layer.state_dict()[k[:-1] + "1"] for k in second.state_dict()})
    assert_close(layer(x)[0], second(nothing)[0] + first(x)[0])


def test_one_layer_has_nothing_below_to_add():
    plain, residual = engram.LSTM(H, H), engram.LSTM(H, H, residual=True)
    residual.load_state_dict(plain.state_dict())
    x = torch.randn(T, B, H)
    assert_close(residual(x), plain(x))


def test_variational_dropout_holds_its_mask_for_all_steps_of_one_call():
    drop = VariationalDropout(0.4)
    ones = torch.ones(50, 30, 40)
    once, again = drop(ones), drop(ones)
    assert_close(once, once[:1].expand_as(once), rtol=0, atol=0)
    assert once.unique().tolist() == [0.0, pytest.approx(1 / 0.6)]
    assert not torch.equal(once, again), "a call draws its own mask"
    assert not torch.equal(once[0, 0], once[0, 1]), "a row draws its own mask"
    share = (once[0] == 0).double().mean().item()
    assert abs(share - 0.4) < 5 * math.sqrt(0.24 / 1200)


def test_variational_dropout_in_every_layout():
    one_row = VariationalDropout(0.5)(torch.ones(20, 30))
    assert_close(one_row, one_row[:1].expand_as(one_row))
    rows_first = VariationalDropout(0.5, batch_first=True)(torch.ones(6, 20, 30))
    assert_close(rows_first, rows_first[:, :1].expand_as(rows_first))
    assert not torch.equal(rows_first[0], rows_first[1])


@pytest.mark.parametrize(("p", "training"), [(0.0, True), (0.7, False)])
def test_variational_dropout_of_nothing_is_the_input_itself(p, training):
    x = torch.randn(T, B, I)
    assert VariationalDropout(p).train(training)(x) is x


def test_variational_dropout_of_everything():
    assert (VariationalDropout(1.0)(torch.randn(T, B, I)) == 0).all()


def test_a_wrong_probability():
    with pytest.raises(ConfigError, match=r"probability is 1.2; it takes a probability from 0 to"):
        VariationalDropout(1.2)


def _dropped_output(x, **options):
    """What dropout makes of the output of a layer whose output is never zero by itself."""
    layer = engram.LSTM(I, H, **options)
    torch.nn.init.ones_(layer.bias_ih_l0)
    return layer, layer(x)[0] == 0


@pytest.mark.parametrize("variational", [False, True])
def test_dropout_of_outputs(variational):
    x = torch.randn(200, B, I)
    layer, dropped = _dropped_output(x, dropout_output=0.5, variational=variational)
    assert dropped.any()
    assert (dropped == dropped[0]).all() == variational
    output, (h, _) = layer.eval()(x)
    assert (output != 0).all()
    assert_close(output[-1], h[0])
    _, (in_training, _) = layer.train()(x)
    assert_close(in_training, h, msg="a state is left whole")


@pytest.mark.parametrize("variational", [False, True])
def test_dropout_of_inputs(variational):
    """Seen by a cell that copies its one input: relu(1·x), without recurrence."""
    layer = engram.RNN(I, I, nonlinearity="relu", dropout_input=0.5, variational=variational)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.zero_()
        layer.weight_ih_l0.copy_(torch.eye(I))
    ones = torch.ones(200, B, I)
    output, _ = layer(ones)
    assert set(output.unique().tolist()) == {0.0, 2.0}
    assert (output == output[0]).all() == variational
    assert_close(layer.eval()(ones)[0], ones)


@pytest.mark.parametrize("variational", [False, True])
def test_dropout_between_layers(variational):
    """The second layer copies what the first gives, which is 1 everywhere."""
    layer = engram.RNN(I, I, 2, nonlinearity="relu", dropout=0.5, variational=variational)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.zero_()
        layer.bias_ih_l0.fill_(1)
        layer.weight_ih_l1.copy_(torch.eye(I))
    output, _ = layer(torch.zeros(200, B, I))
    assert set(output.unique().tolist()) == {0.0, 2.0}
    assert (output == output[0]).all() == variational


@by_direction
def test_a_learnt_start_begins_at_zero_and_is_a_state_of_its_own_layer(bidirectional):
    layer = engram.LSTM(
        I, H, 2, bidirectional=bidirectional, learn_initial_state=True, dtype=torch.float64
    )
    plain = engram.LSTM(I, H, 2, bidirectional=bidirectional, dtype=torch.float64)
    added = set(layer.state_dict()) - set(plain.state_dict())
    assert added == {"initial_h", "initial_c"}
    assert layer.initial_h.shape == (2 * (1 + bidirectional), H)
    plain.load_state_dict(layer.state_dict(), strict=False)
    x, lengths = _input(T, B, I), [7, 3, 1, 5]
    assert_close(layer(x, lengths=lengths), plain(x, lengths=lengths))
    with torch.no_grad():
        layer.initial_h.normal_()
        layer.initial_c.normal_()
    given = tuple(v.unsqueeze(1).repeat(1, B, 1) for v in (layer.initial_h, layer.initial_c))
    assert_close(layer(x, lengths=lengths), plain(x, given, lengths=lengths))
    assert_close(copy.deepcopy(layer)(x), layer(x))
    layer.reset_parameters()
    assert (layer.initial_h == 0).all()


@pytest.mark.slow
@by_direction
@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_gradients_of_a_learnt_start_are_finite_differences(bidirectional, engine):
    layer = engram.LSTM(
        2, 3, 2, bidirectional=bidirectional, learn_initial_state=True, residual=True,
        engine=engine, dtype=torch.float64,
    )  # fmt: skip
    x = _input(4, 3, 2)
    reset = torch.zeros(4, 3, dtype=torch.bool)
    reset[2, 0] = reset[1, 1] = reset[3, 1] = reset[0, 2] = True
    starts = [_input(*layer.initial_h.shape).requires_grad_() for _ in "hc"]

    def run(h, c, reset=None):
        weights = {"initial_h": h, "initial_c": c}
        call = {"lengths": [4, 4, 2], "reset": reset}
        output, after = torch.func.functional_call(layer, weights, (x,), call)
        return output, *after

    assert torch.autograd.gradcheck(run, starts)
    assert torch.autograd.gradcheck(lambda h, c: run(h, c, reset), starts)


def test_a_given_state_takes_the_place_of_the_learnt_one():
    layer = engram.GRU(I, H, learn_initial_state=True)
    x, state = torch.randn(T, B, I), torch.zeros(1, B, H)
    layer(x, state)[0].sum().backward()
    assert layer.initial_h.grad is None
    layer(x, layer(x)[1])[0].square().sum().backward()
    assert layer.initial_h.grad.abs().min() > 0


@by_direction
def test_what_is_recorded_after_restarts_is_what_comes_out(bidirectional):
    layer = engram.LSTM(I, H, bidirectional=bidirectional, learn_initial_state=True)
    torch.nn.init.normal_(layer.initial_h)
    reset, lengths = torch.rand(T, B) < 0.3, [7, 3, 1, 5]
    x = torch.randn(T, B, I)
    output, _ = layer(x, lengths=lengths, reset=reset)
    recording = layer.record(x, lengths=lengths, reset=reset)
    names = ["layer0.h", "layer0_reverse.h"][: 1 + bidirectional]
    assert_close(torch.cat([recording[name] for name in names], dim=2), output)


def test_options_are_shown_where_they_differ_from_their_defaults():
    layer = engram.GRU(I, H, 2, residual=True, variational=True, dropout_input=0.1)
    shown = "GRU(), 3, 5, num_layers=2, dropout_input=0.1, variational=True, residual=True"
    assert layer.extra_repr() == shown


def test_each_option_has_the_default_of_the_constructor():
    taken = inspect.signature(engram.Recurrent).parameters
    given = {name: each.default for name, each in taken.items() if name not in ("device", "dtype")}
    assert given == {
        each.name: inspect.Parameter.empty if each.default is MISSING else each.default
        for each in fields(RecurrentOptions)
    }


def test_a_layer_has_each_option_as_an_attribute():
    layer = engram.LSTM(I, H, 2, dropout=1, weight_drop=0.5, zoneout=0.1, chrono=9)
    options = RecurrentOptions(
        cell=engram.cells.LSTM(),
        input_size=I,
        hidden_size=H,
        num_layers=2,
        dropout=1,
        weight_drop=0.5,
        zoneout=0.1,
        chrono=9,
    )
    assert {each.name: getattr(layer, each.name) for each in fields(options)} == vars(options)
    assert type(layer.dropout) is float
