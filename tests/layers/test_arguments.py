"""Faults of a call or of a construction: the text names what was given and what is accepted."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import engram
from engram import cells
from engram.errors import ConfigError

I, H, T, B = 3, 5, 7, 4  # noqa: E741
X = torch.zeros(T, B, I)
ROWS_FIRST = torch.zeros(B, T, I)
ZERO = torch.zeros(1, B, H)


def _text(call, *args, **options):
    with pytest.raises(ConfigError) as fault:
        call(*args, **options)
    return str(fault.value)


CALLS = [
    # layer options, input, call options, text
    ({}, torch.zeros(I), {}, "input has shape (3,); it takes (T, B, I), or (T, I) without a batch"),
    (
        {"batch_first": True},
        torch.zeros(1, 2, 3, I),
        {},
        "input has shape (1, 2, 3, 3); it takes (B, T, I), or (T, I) without a batch",
    ),
    (
        {},
        torch.zeros(T, B, 8),
        {},
        "input has shape (7, 4, 8), so 8 features; this layer has input_size=3",
    ),
    ({}, torch.zeros(0, B, I), {}, "input has shape (0, 4, 3), which has an axis of size 0; leave"),
    (
        {},
        X.double(),
        {},
        "input is torch.float64 and the weights are torch.float32; convert one, for example "
        "input.to(torch.float32)",
    ),
    ({}, X.long(), {}, "input is torch.int64 and the weights are torch.float32"),
    ({}, X.to("meta"), {}, "input is on meta and the weights on cpu; move one with .to()"),
    ({}, X, {"lengths": [1, 2, 3]}, "lengths has shape (3,) and torch.int64; it takes one whole n"),
    (
        {},
        X,
        {"lengths": [1.0, 2.0, 3.0, 4.0]},
        "lengths has shape (4,) and torch.float32; it takes one whole number for each of the 4 "
        "rows",
    ),
    ({}, X, {"lengths": torch.tensor(3)}, "lengths has shape () and torch.int64; it takes one"),
    ({}, X, {"lengths": [7, 0, 1, 1]}, "lengths[1] is 0; a row takes 1 to T=7 steps: leave empty"),
    ({}, X, {"lengths": [7, 7, 8, 1]}, "lengths[2] is 8; a row takes 1 to T=7 steps"),
    ({}, X, {"lengths": [7, 7, 1, -1]}, "lengths[3] is -1; a row takes 1 to T=7 steps"),
    (
        {"batch_first": True},
        ROWS_FIRST,
        {"lengths": [1, 5, 7, 8]},
        "lengths[3] is 8; a row takes 1 to T=7 steps",
    ),
    ({}, X[:, 0], {"lengths": [7, 7]}, "lengths has shape (2,) and torch.int64; it takes one whol"),
    (
        {},
        X,
        {"reset": torch.zeros(B, T, dtype=torch.bool)},
        "reset has shape (4, 7) and torch.bool; it takes bool, shaped like the input without "
        "features: (7, 4)",
    ),
    (
        {"batch_first": True},
        ROWS_FIRST,
        {"reset": torch.zeros(T, B, dtype=torch.bool)},
        "reset has shape (7, 4) and torch.bool; it takes bool, shaped like the input without "
        "features: (4, 7)",
    ),
    (
        {"batch_first": True},
        ROWS_FIRST,
        {"reset": torch.zeros(T, dtype=torch.bool)},
        "reset has shape (7,) and torch.bool; it takes bool, shaped like the input without "
        "features: (4, 7)",
    ),
    (
        {},
        X[:, 0],
        {"reset": torch.zeros(T, 1, dtype=torch.bool)},
        "reset has shape (7, 1) and torch.bool; it takes bool, shaped like the input without "
        "features: (7,)",
    ),
    (
        {},
        X,
        {"reset": torch.zeros(T, B)},
        "reset has shape (7, 4) and torch.float32; it takes bool, shaped like the input without "
        "features: (7, 4)",
    ),
    ({}, X, {"state": ZERO}, "1 initial states were given; LSTM has 2: (h, c)"),
    ({}, X, {"state": (ZERO, ZERO, ZERO)}, "3 initial states were given; LSTM has 2: (h, c)"),
    (
        {"num_layers": 2, "bidirectional": True},
        X,
        {"state": (torch.zeros(4, B, H), ZERO)},
        "initial state 'c' has shape (1, 4, 5); it takes (4, 4, 5)",
    ),
    (
        {},
        X[:, 0],
        {"state": (ZERO, ZERO)},
        "initial state 'h' has shape (1, 4, 5); it takes (1, 5)",
    ),
    (
        {},
        X,
        {"state": (ZERO.double(), ZERO)},
        "initial state 'h' is torch.float64 and the input is torch.float32; convert one with .to",
    ),
]


@pytest.mark.parametrize(("options", "x", "call", "text"), CALLS, ids=[c[3][:40] for c in CALLS])
def test_a_wrong_call(options, x, call, text):
    layer = engram.LSTM(I, H, **options)
    assert _text(layer, x, **call).startswith(text)
    assert _text(layer.record, x, **call).startswith(text)


def test_one_state_may_come_as_a_tensor_or_a_tuple():
    layer = engram.GRU(I, H)
    torch.testing.assert_close(layer(X, ZERO), layer(X, (ZERO,)))
    assert _text(layer, X, (ZERO, ZERO)) == "2 initial states were given; GRU has 1: (h)"


PACKED = pack_padded_sequence(X, torch.tensor([7, 5, 2, 1]))


@pytest.mark.parametrize("call", [{"lengths": [7, 5, 2, 1]}, {"reset": torch.zeros(T, B).bool()}])
def test_a_packed_sequence_brings_its_lengths(call):
    text = "a PackedSequence came with lengths= or reset=; pass a padded tensor for those"
    assert _text(engram.LSTM(I, H), PACKED, **call) == text


def test_a_packed_sequence_is_for_a_plain_call():
    text = "input is a PackedSequence; it takes a tensor (T, B, I)"
    assert _text(engram.LSTM(I, H).record, PACKED) == text


def test_an_array_is_no_input():
    text = "input is a ndarray; it takes a tensor (B, T, I)"
    assert _text(engram.GRU(I, H, batch_first=True), ROWS_FIRST.numpy()) == text


def test_a_packed_state_must_fit_too():
    text = _text(engram.LSTM(I, H), PACKED, (ZERO[:, :3], ZERO))
    assert text == "initial state 'h' has shape (1, 3, 5); it takes (1, 4, 5)"


@pytest.mark.parametrize("shape", [(), (T, B, I)])
def test_a_step_takes_one_step(shape):
    text = f"step() got an input of shape {shape}; it takes (B, I) or (I,)"
    assert _text(engram.LSTM(I, H).step, torch.zeros(shape)) == text


@pytest.mark.parametrize("engine", ["cpu", "torch", "reference"])
@pytest.mark.parametrize(
    ("name", "shape", "taken"),
    [
        ("weight_ih_l0", (4 * H, I - 1), (4 * H, I)),
        ("weight_hh_l0", (2, 2), (4 * H, H)),
        ("weight_hh_l1_reverse", (4 * H, H + 1), (4 * H, H)),
        ("weight_ih_l1", (4 * H, I), (4 * H, 2 * H)),
        ("bias_hh_l0_reverse", (3,), (4 * H,)),
    ],
)
def test_weights_of_another_shape_are_refused(name, shape, taken, engine):
    layer = engram.LSTM(I, H, 2, bidirectional=True, engine=engine)
    layer.get_parameter(name).data = torch.zeros(shape)
    assert _text(layer, X) == (
        f"{name} has shape {shape}; this layer takes {taken}: use weights of that shape, or "
        "create a layer of the other size"
    )


@torch.no_grad()
def test_a_step_with_a_unit_weight_of_another_shape_is_refused():
    layer = engram.Recurrent(cells.LSTM(peepholes=True), I, H)
    _, state = layer.step(X[0])
    layer.p_f_l0.data = torch.zeros(1)
    assert _text(layer.step, X[0], state).startswith("p_f_l0 has shape (1,); this layer takes (5,)")


CONSTRUCTIONS = [
    ((cells.LSTM, I, H), {}, "it takes a Cell, such as engram.cells.LSTM() (with parentheses)"),
    (("lstm", I, H), {}, "cell is 'lstm'; it takes a Cell"),
    ((cells.GRU(), 0, H), {}, "input_size is 0; it takes a whole number from 1"),
    ((cells.GRU(), I, 5.0), {}, "hidden_size is 5.0; it takes a whole number from 1"),
    ((cells.GRU(), I, H), {"num_layers": -1}, "num_layers is -1; it takes a whole number from 1"),
    ((cells.GRU(), I, H), {"dropout": 1.5}, "dropout is 1.5; it takes a probability from 0 to 1"),
    ((cells.GRU(), I, H), {"dropout": float("nan")}, "dropout is nan; it takes a probability"),
    ((cells.GRU(), I, H), {"weight_drop": -0.1}, "weight_drop is -0.1; it takes a probability"),
    ((cells.GRU(), I, H), {"dropout_input": 2}, "dropout_input is 2; it takes a probability from"),
    ((cells.GRU(), I, H), {"dropout_output": -1}, "dropout_output is -1; it takes a probability"),
]


@pytest.mark.parametrize(("args", "options", "text"), CONSTRUCTIONS, ids=lambda v: str(v)[:30])
def test_a_wrong_construction(args, options, text):
    assert text in _text(engram.Recurrent, *args, **options)


def test_an_unknown_nonlinearity():
    assert "did you mean 'relu'?" in _text(engram.RNN, I, H, nonlinearity="rellu")
