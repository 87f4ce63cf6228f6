"""Convolution over time and over frames: against plain loops; padded is each row alone."""

import math

import pytest
import torch
from torch.testing import assert_close

import engram
from engram.errors import ConfigError
from engram.layers import FrameConvolution, TemporalConvolution

T, B, I, O = 11, 4, 3, 5  # noqa: E741
SHAPES = [
    # kernel, stride, dilation
    (1, 1, 1),
    (3, 1, 1),
    (4, 1, 1),
    (3, 2, 1),
    (2, 3, 2),
    (5, 4, 1),
]
by_shape = pytest.mark.parametrize(("kernel", "stride", "dilation"), SHAPES)
by_padding = pytest.mark.parametrize("padding", ["causal", "same"])


def _layer(kernel, stride, dilation, padding):
    return TemporalConvolution(
        I, O, kernel, stride=stride, dilation=dilation, padding=padding, dtype=torch.float64
    )


def _by_hand(layer, x, kernel, stride, dilation, padding):
    """One output at a time, from the definition."""
    around = (kernel - 1) * dilation
    before = around if padding == "causal" else around // 2
    weight, bias = layer.convolution.weight, layer.convolution.bias
    outputs = []
    for place in range(0, len(x), stride):
        total = bias.clone()
        for k in range(kernel):
            at = place - before + k * dilation
            if 0 <= at < len(x):
                total = total + weight[:, :, k] @ x[at]
        outputs.append(total)
    return torch.stack(outputs)


@by_shape
@by_padding
def test_time_against_the_definition(kernel, stride, dilation, padding):
    layer = _layer(kernel, stride, dilation, padding)
    x = torch.randn(T, I, dtype=torch.float64)
    output, lengths = layer(x.unsqueeze(1))
    assert lengths is None
    expected = _by_hand(layer, x, kernel, stride, dilation, padding)
    assert_close(output.squeeze(1), expected)
    assert len(expected) == math.ceil(T / stride)


@by_shape
@by_padding
def test_time_padded_is_each_row_alone(kernel, stride, dilation, padding):
    layer = _layer(kernel, stride, dilation, padding)
    x, lengths = torch.randn(T, B, I, dtype=torch.float64), [11, 1, 6, 9]
    for row, length in enumerate(lengths):
        x[length:, row] = torch.nan
    x.requires_grad_()
    output, shorter = layer(x, lengths=lengths)
    assert shorter.tolist() == [math.ceil(n / stride) for n in lengths]
    for row, length in enumerate(lengths):
        alone, _ = layer(x[:length, row : row + 1])
        assert_close(output[: shorter[row], row], alone[:, 0])
        assert (output[shorter[row] :, row] == 0).all()
    (gradient,) = torch.autograd.grad(output.square().sum(), x)
    for row, length in enumerate(lengths):
        assert gradient[:length, row].isfinite().all()
        assert (gradient[length:, row] == 0).all()


@by_shape
def test_time_causal_looks_at_nothing_later(kernel, stride, dilation):
    layer = _layer(kernel, stride, dilation, "causal")
    x = torch.randn(T, 1, I, dtype=torch.float64)
    output, _ = layer(x)
    x[7:] += 1.0
    after, _ = layer(x)
    unchanged = math.ceil(7 / stride)
    assert_close(after[:unchanged], output[:unchanged])
    assert not torch.equal(after[unchanged:], output[unchanged:])


def test_time_goes_before_a_recurrent_layer():
    before, rnn = TemporalConvolution(I, O, 3, stride=2), engram.GRU(O, 6, bidirectional=True)
    x, lengths = torch.randn(T, B, I), [11, 2, 5, 8]
    output, shorter = before(x, lengths=lengths)
    output, _ = rnn(torch.relu(output), lengths=shorter)
    for row, length in enumerate(lengths):
        alone, _ = rnn(torch.relu(before(x[:length, row : row + 1])[0]))
        assert_close(output[: len(alone), row], alone[:, 0])


FRAMES = {
    "plain": {},
    "one stage": {"filters": [4]},
    "no pool": {"filters": [4, 2], "pool": 1},
    "large": {"filters": [2], "kernel_size": 5, "pool": 3},
    "no stage": {"filters": []},
}


@pytest.mark.parametrize("options", FRAMES.values(), ids=list(FRAMES))
def test_frames_against_the_definition(options):
    layer = FrameConvolution(3, (9, 7), 6, dtype=torch.float64, **options)
    x = torch.randn(5, 2, 3, 9, 7, dtype=torch.float64)
    output = layer(x)
    assert output.shape == (5, 2, 6)
    pool = options.get("pool", 2)
    for t in range(5):
        image = x[t]
        for stage in layer.stages[::3]:
            image = torch.nn.functional.conv2d(image, stage.weight, stage.bias, padding="same")
            image = torch.nn.functional.max_pool2d(image.clamp(min=0), pool)
        features = image.reshape(2, -1) @ layer.head.weight.T + layer.head.bias
        assert_close(output[t], features)
        assert_close(layer(x[t]), features, msg="an image by itself")


def test_frames_padded_is_each_row_alone():
    layer = FrameConvolution(2, (8, 8), 6, dtype=torch.float64)
    x, lengths = torch.randn(5, 3, 2, 8, 8, dtype=torch.float64), [3, 5, 1]
    for row, length in enumerate(lengths):
        x[length:, row] = torch.nan
    x.requires_grad_()
    output = layer(x, lengths=lengths)
    for row, length in enumerate(lengths):
        assert_close(output[:length, row : row + 1], layer(x[:length, row : row + 1]))
        assert (output[length:, row] == 0).all()
    gradients = torch.autograd.grad(output.square().sum(), [x, *layer.parameters()])
    assert all(g.isfinite().all() for g in gradients)
    assert gradients[0][3:, 0].eq(0).all()


def test_frames_gradients_are_finite_differences():
    layer = FrameConvolution(1, (4, 4), 3, filters=[2], dtype=torch.float64)
    x = torch.randn(3, 2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layer(x, lengths=[3, 1]), [x])


FAULTS = [
    (lambda: TemporalConvolution(I, O, 0), "kernel_size is 0; it takes a whole number from 1"),
    (lambda: TemporalConvolution(I, O, 3, stride=0), "stride is 0; it takes a whole number"),
    (
        lambda: TemporalConvolution(I, O, 3, padding="casual"),
        "padding 'casual' is not known: did you mean 'causal'? accepted: causal, same",
    ),
    (
        lambda: TemporalConvolution(I, O, 3)(torch.zeros(T, B, O)),
        "input has shape (11, 4, 5); it takes (T, B, I) with I=3",
    ),
    (
        lambda: TemporalConvolution(I, O, 3)(torch.zeros(T, B, I), lengths=[1, 2, 3, 12]),
        "lengths[3] is 12; a row takes 1 to T=11 steps",
    ),
    (lambda: FrameConvolution(1, (8, 8), 6, kernel_size=4), "kernel_size is 4; it takes an odd"),
    (
        lambda: FrameConvolution(1, (3, 8), 6),
        "size is (3, 8), and 2 stages with pool=2 need at least 4 by 4; use fewer filters or a sm",
    ),
    (lambda: FrameConvolution(1, (8, 8), 6, filters=[4, 0]), "filters is 0; it takes a whole n"),
    (
        lambda: FrameConvolution(1, (8, 8), 6)(torch.zeros(5, 2, 1, 8, 7)),
        "input has shape (5, 2, 1, 8, 7); it takes (T, B, C, Y, X) or (B, C, Y, X) with (C, Y, X)="
        "(1, 8, 8)",
    ),
    (
        lambda: FrameConvolution(1, (8, 8), 6)(torch.zeros(2, 1, 8, 8), lengths=[1, 1]),
        "lengths were given with single images; they are for (T, B, C, Y, X)",
    ),
]


@pytest.mark.parametrize(("call", "text"), FAULTS, ids=[text[:40] for _, text in FAULTS])
def test_faults(call, text):
    with pytest.raises(ConfigError) as fault:
        call()
    assert str(fault.value).startswith(text)
