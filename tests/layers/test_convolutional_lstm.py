"""ConvLSTM: against the equations written out at every place, and the equalities of sequences."""

import pytest
import torch
from torch.testing import assert_close

import engram
from engram.errors import ConfigError
from engram.layers import ConvLSTM

T, B, C, H, Y, X = 5, 3, 2, 4, 4, 6
by_peepholes = pytest.mark.parametrize("peepholes", [None, (Y, X)], ids=["plain", "peepholes"])


def _layer(peepholes=None, **options):
    layer = ConvLSTM(C, H, peepholes=peepholes, dtype=torch.float64, **options)
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return layer


def _input(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def _correlate(weight, image, y, x):
    """A filter bank ``(O, C, 3, 3)`` at one place of an image ``(C, Y, X)``, zero outside it."""
    total = torch.zeros(len(weight), dtype=torch.float64)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if 0 <= y + dy < image.shape[1] and 0 <= x + dx < image.shape[2]:
                total += weight[:, :, dy + 1, dx + 1] @ image[:, y + dy, x + dx]
    return total


def _literal(layer, x, h, c):
    """One row, every place of every step by itself: x ``(T, C, Y, X)``."""
    outputs = []
    for image in x:
        next_h, next_c = torch.empty_like(h), torch.empty_like(c)
        for y in range(Y):
            for z in range(X):
                gates = _correlate(layer.weight_ih, image, y, z)
                gates = gates + _correlate(layer.weight_hh, h, y, z) + layer.bias
                i, f, g, o = gates.chunk(4)
                if layer.peepholes:
                    i = i + layer.peephole_i[:, y, z] * c[:, y, z]
                    f = f + layer.peephole_f[:, y, z] * c[:, y, z]
                new = torch.sigmoid(f) * c[:, y, z] + torch.sigmoid(i) * torch.tanh(g)
                if layer.peepholes:
                    o = o + layer.peephole_o[:, y, z] * new
                next_c[:, y, z] = new
                next_h[:, y, z] = torch.sigmoid(o) * torch.tanh(new)
        h, c = next_h, next_c
        outputs.append(h)
    return torch.stack(outputs), h, c


@by_peepholes
@torch.no_grad()
def test_against_the_equations_at_every_place(peepholes):
    layer = _layer(peepholes)
    x, h, c = _input(3, 1, C, Y, X), _input(1, H, Y, X), _input(1, H, Y, X)
    output, (h_after, c_after) = layer(x, (h, c))
    expected = _literal(layer, x[:, 0], h[0], c[0])
    assert_close((output[:, 0], h_after[0], c_after[0]), expected)


def test_on_images_of_one_place_it_is_an_lstm():
    layer = _layer()
    lstm = engram.LSTM(C, H, dtype=torch.float64)
    middle = {"weight_ih_l0": layer.weight_ih, "weight_hh_l0": layer.weight_hh}
    weights = {name: weight[:, :, 1, 1] for name, weight in middle.items()}
    zero = torch.zeros_like(layer.bias)
    lstm.load_state_dict(weights | {"bias_ih_l0": layer.bias, "bias_hh_l0": zero})
    x = _input(T, B, C)
    output, (h, c) = layer(x[..., None, None])
    expected, (h_expected, c_expected) = lstm(x)
    assert_close(output[..., 0, 0], expected)
    assert_close((h[..., 0, 0], c[..., 0, 0]), (h_expected[0], c_expected[0]))


@by_peepholes
def test_padded_is_each_row_alone(peepholes):
    layer = _layer(peepholes)
    x, lengths = _input(T, B, C, Y, X), [2, 5, 1]
    state = _input(B, H, Y, X), _input(B, H, Y, X)
    for row, length in enumerate(lengths):
        x[length:, row] = torch.nan
    x.requires_grad_()
    output, after = layer(x, state, lengths=lengths)
    for row, length in enumerate(lengths):
        own = slice(row, row + 1)
        expected = layer(x[:length, own], tuple(s[own] for s in state))
        assert_close((output[:length, own], tuple(s[own] for s in after)), expected)
        assert (output[length:, row] == 0).all()
    gradients = torch.autograd.grad(output.square().sum(), [x, *layer.parameters()])
    assert all(g.isfinite().all() for g in gradients)
    assert (gradients[0][2:, 0] == 0).all()


@by_peepholes
def test_chunks_with_carried_state_are_the_whole(peepholes):
    layer, x = _layer(peepholes), _input(T, B, C, Y, X)
    first, state = layer(x[:2])
    second, state = layer(x[2:], state)
    assert_close((torch.cat([first, second]), state), layer(x))


def test_a_reset_begins_a_separate_run():
    layer, x = _layer((Y, X)), _input(T, B, C, Y, X)
    state = _input(B, H, Y, X), _input(B, H, Y, X)
    reset = torch.zeros(T, B, dtype=torch.bool)
    reset[3, 1] = True
    output, after = layer(x, state, reset=reset)
    anew, anew_after = layer(x[3:])
    assert_close(output[3:, 1], anew[:, 1])
    assert_close(tuple(s[1] for s in after), tuple(s[1] for s in anew_after))
    assert_close(output[:, 0], layer(x, state)[0][:, 0])


@pytest.mark.slow
@by_peepholes
def test_gradients_are_finite_differences(peepholes):
    layer = ConvLSTM(1, 2, peepholes=peepholes and (3, 2), dtype=torch.float64)
    names = [name for name, _ in layer.named_parameters()]
    weights = [_input(*w.shape).requires_grad_() for w in layer.parameters()]
    x, state = _input(3, 2, 1, 3, 2).requires_grad_(), [_input(2, 2, 3, 2) for _ in "hc"]
    state = [s.requires_grad_() for s in state]

    def run(x, h, c, *weights):
        given = dict(zip(names, weights, strict=True))
        call = {"lengths": [3, 2]}
        output, after = torch.func.functional_call(layer, given, (x, (h, c)), call)
        return output, *after

    assert torch.autograd.gradcheck(run, [x, *state, *weights])


def test_initial_weights():
    layer = ConvLSTM(C, H, 5, forget_bias=1.5, peepholes=(Y, X))
    assert layer.weight_ih.shape == (4 * H, C, 5, 5)
    for weight in (layer.weight_ih, layer.weight_hh):
        bound = (weight.shape[1] * 25) ** -0.5
        assert 0.9 * bound < weight.abs().max() <= bound
    assert layer.bias.tolist() == [0.0] * H + [1.5] * H + [0.0] * 2 * H
    assert (layer.peephole_o == 0).all()
    assert ConvLSTM(C, H, bias=False)(torch.zeros(1, 1, C, Y, X))[0].eq(0).all()


FAULTS = [
    (lambda: ConvLSTM(0, H), "channels is 0; it takes a whole number from 1"),
    (lambda: ConvLSTM(C, H, 2), "kernel_size is 2; it takes an odd number, so that images keep"),
    (lambda: ConvLSTM(C, H, peepholes=(0, 4)), "height is 0; it takes a whole number from 1"),
    (
        lambda: ConvLSTM(C, H, bias=False, forget_bias=1.0),
        "forget_bias=1.0 needs biases; leave it out or set bias=True",
    ),
    (
        lambda: ConvLSTM(C, H)(torch.zeros(T, B, H, Y, X)),
        "input has shape (5, 3, 4, 4, 6); it takes (T, B, C, Y, X) with C=2",
    ),
    (
        lambda: ConvLSTM(C, H, peepholes=(Y, Y))(torch.zeros(T, B, C, Y, X)),
        "input has shape (5, 3, 2, 4, 6), and peepholes are for images of (4, 4); give images of",
    ),
    (
        lambda: ConvLSTM(C, H)(torch.zeros(T, B, C, Y, X), (torch.zeros(B, H, Y, Y),) * 2),
        "initial state 'h' has shape (3, 4, 4, 4); it takes (3, 4, 4, 6)",
    ),
    (
        lambda: ConvLSTM(C, H)(torch.zeros(T, B, C, Y, X), (torch.zeros(B, H, Y, X),)),
        "1 initial states were given; ConvLSTM has 2: (h, c)",
    ),
    (
        lambda: ConvLSTM(C, H)(torch.zeros(T, B, C, Y, X), lengths=[1, 2]),
        "lengths has shape (2,) and torch.int64; it takes one whole number for each of the 3 rows",
    ),
    (
        lambda: ConvLSTM(C, H)(torch.zeros(T, B, C, Y, X), reset=torch.zeros(B, T)),
        "reset has shape (3, 5) and torch.float32; it takes bool, shaped like the input without",
    ),
]


@pytest.mark.parametrize(("call", "text"), FAULTS, ids=[text[:40] for _, text in FAULTS])
def test_faults(call, text):
    with pytest.raises(ConfigError) as fault:
        call()
    assert str(fault.value).startswith(text)
