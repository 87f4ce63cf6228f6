"""Multiply-adds: closed forms, and the same from an example as from sizes, on every engine."""

import pytest
import torch
from torch import nn

from engram.layers import GRU, LSTM, AdditiveAttention, ConvLSTM, MultiplicativeAttention
from engram.models.compute import multiply_adds, multiply_adds_a_step
from engram.models.many_to_many import ManyToMany, ModelSettings

T, B, I, H = 5, 3, 4, 6  # noqa: E741


def _counted(model, *example):
    return multiply_adds(model, lambda: model(*example))


RECURRENT = {
    "cpu": LSTM(I, H, 2, bidirectional=True, engine="cpu"),
    "torch": LSTM(I, H, 2, bidirectional=True, engine="torch"),
    "reference": LSTM(I, H, 2, bidirectional=True, engine="reference"),
    "nn.LSTM": nn.LSTM(I, H, 2, bidirectional=True),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_an_lstm_on_every_engine(name):
    expected = T * B * 2 * (4 * H * (I + H) + 4 * H * (2 * H + H))
    assert _counted(RECURRENT[name], torch.randn(T, B, I)) == {"": expected}
    assert multiply_adds_a_step(RECURRENT[name]) == {"": expected // (T * B)}


@pytest.mark.parametrize("layer", [GRU(I, H), nn.GRU(I, H)], ids=["ours", "torch"])
def test_a_gru(layer):
    assert _counted(layer, torch.randn(T, B, I)) == {"": T * B * 3 * H * (I + H)}


@pytest.mark.parametrize(
    "changes",
    [{}, {"tied": True}, {"layers": 2, "embedding": 3}, {"learn_initial_state": True}],
    ids=str,
)
def test_a_token_model(changes):
    model = ManyToMany(11, ModelSettings(**({"hidden": H} | changes)))
    by_example = _counted(model, torch.randint(11, (T, B)))
    by_size = multiply_adds_a_step(model)
    assert by_example == {name: T * B * count for name, count in by_size.items()}
    assert by_size["head"] == 11 * H
    assert "embedding" not in by_example  # looked up, not multiplied


def test_products_outside_of_modules_belong_to_the_model():
    class _Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(I, H), nn.Linear(H, H))

        def forward(self, x):
            return self.inner(x) @ torch.ones(H, 2)

    assert _counted(_Attends(), torch.randn(B, I)) == {
        "": B * H * 2,
        "inner.0": B * I * H,
        "inner.1": B * H * H,
    }


def test_attention_is_counted_without_its_fast_path():
    layer = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x = torch.randn(B, T, 8)
    counts = _counted(layer, x, x, x)
    assert sum(counts.values()) == B * T * 8 * 8 * 4 + 2 * B * T * T * 8
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize(
    "model",
    [
        nn.Conv1d(1, 1, 3),
        nn.MultiheadAttention(4, 1),
        nn.ParameterList([torch.zeros(2)]),
        ConvLSTM(1, 1),
        AdditiveAttention(2, 2, 2),
        MultiplicativeAttention(2, 2),
    ],
)
def test_what_sizes_do_not_tell(model):
    assert multiply_adds_a_step(nn.Sequential(nn.Linear(1, 1), model)) is None


def test_parts_that_are_called_without_the_model_are_counted_by_their_names():
    model = nn.ModuleDict({"read": nn.Linear(3, 4), "deep": nn.ModuleDict({"w": nn.Linear(4, 5)})})
    x = torch.ones(7, 3)
    counts = multiply_adds(model, lambda: model["deep"]["w"](model["read"](x)))
    assert counts == {"read": 7 * 12, "deep.w": 7 * 20}
