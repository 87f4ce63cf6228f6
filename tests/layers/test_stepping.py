"""Single steps without gradients: the quick way gives what the ordinary way gives, or gives way."""

import copy
import gc
import pickle
import weakref

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

import engram
from engram.cells import make_cell
from engram.engine import torch_internals as internals
from engram.engine.compiled.schedule import full_schedule
from engram.layers import stepping

I, H = 5, 7  # noqa: E741


def _elman():
    return engram.Recurrent(make_cell("elman"), I, H)


def _near(layer, x, state=None):
    """A step beside the reference engine's; gives the states after it."""
    found = layer.step(x, state)
    ordinary = copy.deepcopy(layer)
    ordinary.engine = "reference"
    torch.testing.assert_close(found, ordinary.step(x, state))
    return found[1]


def _quick(layer, x, state=None):
    return stepping.quick_step(layer, x, state) is not None


def _transposed(layer):
    layer.weight_hh_l0.data = layer.weight_hh_l0.data.t()


def _grown(layer):
    layer.weight_hh_l0.data = torch.randn(H, 2 * H)[:, ::2]


def _other_parameter(layer):
    layer.weight_hh_l0 = nn.Parameter(torch.randn(H, H))


def _other_memory(layer):
    layer.weight_ih_l0.data = torch.randn(H, I)


def _loaded(layer):
    layer.load_state_dict(_elman().state_dict(), assign=True)


def _pruned(layer):
    prune.random_unstructured(layer, "weight_hh_l0", 0.5)


class _Twice(nn.Module):
    def forward(self, weight):
        return 2 * weight


def _parametrized(layer):
    parametrize.register_parametrization(layer, "weight_hh_l0", _Twice())


@pytest.mark.parametrize(
    ("change", "quick"),
    [
        (_transposed, False),
        (_grown, False),
        (_other_parameter, True),
        (_other_memory, True),
        (_loaded, True),
        (_pruned, False),
        (_parametrized, False),
    ],
)
@torch.no_grad()
def test_a_step_sees_weights_that_are_replaced(change, quick):
    layer, x = _elman(), torch.randn(2, I)
    state = _near(layer, x)
    with torch.enable_grad():  # a parametrization keeps what has gradients
        change(layer)
    _near(layer, x, state)
    assert _quick(layer, x, state) is quick


@torch.no_grad()
def test_weights_of_another_shape_are_not_stepped_on():
    layer, x = engram.LSTM(I, H), torch.randn(2, I)
    _, state = layer.step(x)
    layer.weight_hh_l0.data = torch.randn(2, 2)
    assert not _quick(layer, x, state)


@torch.no_grad()
def test_steps_of_changing_inputs_and_states():
    layer = engram.LSTM(I, H, 2)
    for shape in ((I,), (3, I), (1, I), (3, I)):
        x = torch.randn(shape)
        state = _near(layer, x)
        assert _quick(layer, x, state)
        state = _near(layer, torch.randn(*reversed(shape)).t(), state)  # strides of another kind
        with torch.inference_mode():
            state = _near(layer, x, state)
        state = _near(layer, x, state)
        _near(layer, x, (state[0], state[0]))
        _near(layer, x, list(state))
        assert not _quick(layer, x, state[:1])
        assert not _quick(layer, x.double(), state)
        assert not _quick(layer, x, tuple(each.double() for each in state))


@torch.no_grad()
def test_streams_of_several_batches_are_prepared_once():
    layer = engram.LSTM(I, H)
    inputs = [torch.randn(rows, I) for rows in (1, 2, 3)]
    for x in inputs:
        layer.step(x)
    prepared = stepping._prepared[layer]
    for x in inputs * 2:
        _near(layer, x)
    assert len(prepared) == 3
    assert stepping._prepared[layer] is prepared


@torch.no_grad()
def test_a_step_under_what_changes_operations_takes_the_ordinary_way():
    layer, x = engram.LSTM(I, H), torch.randn(2, I)
    _, state = layer.step(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not _quick(layer, x, state)
    with torch.autograd.forward_ad.dual_level():
        assert not _quick(layer, x, state)
    quick = []

    def inside(y):
        quick.append(_quick(layer, x, state))
        return y

    torch.func.vmap(inside)(torch.randn(3))
    assert quick == [False]
    assert not _quick(layer, torch._neg_view(x), state)
    assert _quick(layer, x, state)


@torch.no_grad()
def test_what_a_stream_reads_stays_when_others_let_go_of_it():
    layer, x = engram.LSTM(I, 11), torch.randn(2, I)
    tables = weakref.ref(full_schedule(1, 2, False).now)
    state = _near(layer, x)
    full_schedule.cache_clear()
    gc.collect()
    assert tables() is not None
    _near(layer, x, state)


@pytest.mark.parametrize("name", ["lstm", "gru"])
@pytest.mark.parametrize("residual", [False, True])
@torch.no_grad()
def test_stacks(name, residual):
    layer = engram.Recurrent(make_cell(name), I, H, 3, residual=residual)
    state = None
    for x in torch.randn(4, 2, I):
        assert _quick(layer, x, state)
        state = _near(layer, x, state)


@torch.no_grad()
def test_weights_that_are_one_in_two_layers():
    layer = engram.LSTM(H, H, 2)
    layer.weight_hh_l1 = layer.weight_hh_l0
    state = None
    for x in torch.randn(3, 2, H):
        state = _near(layer, x, state)


@pytest.mark.parametrize("layers", [1, 2])
@torch.no_grad()
def test_all_that_a_step_gives_is_written(layers, monkeypatch):
    def filled(*form):
        return torch.empty_strided(*form[:2], dtype=form[2]).fill_(torch.nan)

    monkeypatch.setattr(internals, "empty_strided", filled)
    _near(engram.LSTM(I, 33, layers), torch.randn(3, I))


@torch.no_grad()
def test_copies_of_a_layer_that_has_stepped_go_their_own_way():
    layer, x = engram.LSTM(I, H), torch.randn(2, I)
    expected = layer.step(x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(twin.step(x), expected)
        twin.weight_ih_l0.mul_(2)
        _near(twin, x)
    torch.testing.assert_close(layer.step(x), expected)


def test_a_torch_without_its_part_takes_the_ordinary_way(monkeypatch):
    cell = make_cell("lstm")
    assert stepping.can_step_quickly.__wrapped__(cell)
    monkeypatch.setattr(internals, "empty_strided", None)
    assert not stepping.can_step_quickly.__wrapped__(cell)
