"""Contests: for each row of the suite, the two sides that do the same work at a point."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import Contest, Side
from benchmarks.peers import (
    LSTMCellLoop,
    MinimalGatedLoop,
    onnxruntime_session,
    packed_output,
    torch_twin,
    torchrecurrent_twin,
)
from benchmarks.points import Point, row_lengths, sequences, upstream_gradient
from engram import cells
from engram.cells import Cell
from engram.layers import Recurrent

THREADS = 2


def make_layer(cell: Cell, point: Point, **options: Any) -> Recurrent:
    """Engram's layer, the same at every call."""
    torch.manual_seed(0)
    return Recurrent(cell, point.inputs, point.hidden, **options)


def training_step(
    forward: Callable[[Tensor], Tensor], x: Tensor, weights: list[nn.Parameter]
) -> Callable[[], list[Tensor]]:
    """One step: forward, and backward to the input and all weights."""
    leaves = [x, *weights]
    with torch.no_grad():
        upstream = upstream_gradient(forward(x))

    def step() -> list[Tensor]:
        output = forward(x)
        return [output.detach(), *torch.autograd.grad(output, leaves, upstream)]

    return step


def layer_step(layer: nn.Module, x: Tensor) -> Callable[[], list[Tensor]]:
    """The training step of a layer that gives its output and its states."""
    return training_step(lambda x: layer(x)[0], x, list(layer.parameters()))


def training(
    cell: Cell, peer: Callable[..., nn.RNNBase], **options: Any
) -> Callable[[Point], Contest]:
    """A layer's training step against that of torch's layer."""

    def contest(point: Point) -> Contest:
        ours = make_layer(cell, point, **options)
        x = sequences(point, options.get("dtype", torch.float32)).requires_grad_()
        return Contest(Side(layer_step(torch_twin(ours, peer), x)), Side(layer_step(ours, x)))

    return contest


def different_lengths(point: Point) -> Contest:
    """Both start from a padded tensor and lengths, and give a padded tensor."""
    ours = make_layer(cells.LSTM(), point)
    peer = torch_twin(ours, nn.LSTM)
    x, lengths = sequences(point).requires_grad_(), row_lengths(point)
    return Contest(
        Side(training_step(lambda x: packed_output(peer, x, lengths), x, list(peer.parameters()))),
        Side(training_step(lambda x: ours(x, lengths=lengths)[0], x, list(ours.parameters()))),
    )


def peephole(point: Point) -> Contest:
    ours = make_layer(cells.LSTM(peepholes=True), point)
    peer = torchrecurrent_twin(ours)
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_ph"]
    weights = [peer.get_parameter(f"cells.0.{name}") for name in names]
    x = sequences(point).requires_grad_()
    return Contest(
        Side(training_step(lambda x: peer(x)[0], x, weights)),
        # the peer has the gates' three weights in one tensor
        Side(layer_step(ours, x), lambda given: [*given[:-3], torch.cat(given[-3:])]),
    )


def user_cell(point: Point) -> Contest:
    ours = make_layer(cells.MGU(), point)
    return _against_loop(ours, MinimalGatedLoop(ours), point)


def lstmcell_loop(point: Point) -> Contest:
    ours = make_layer(cells.LSTM(), point)
    return _against_loop(ours, LSTMCellLoop(ours), point)


def _against_loop(ours: Recurrent, loop: nn.Module, point: Point) -> Contest:
    x = sequences(point).requires_grad_()
    peer_step = training_step(loop, x, list(loop.parameters()))
    return Contest(Side(peer_step), Side(layer_step(ours, x)))


def inference(point: Point) -> Contest:
    ours = make_layer(cells.LSTM(), point).eval()
    peer = torch_twin(ours, nn.LSTM).eval()
    x = sequences(point)
    return Contest(Side(_inference(peer, x)), Side(_inference(ours, x)))


def inference_onnxruntime(point: Point) -> Contest:
    ours = make_layer(cells.LSTM(), point).eval()
    x = sequences(point)
    session = onnxruntime_session(ours, point.steps, point.batch, THREADS)
    feed = {"x": x.numpy()}
    return Contest(
        Side(
            lambda: session.run(["y"], feed),
            lambda given: [torch.from_numpy(given[0]).squeeze(1)],
        ),
        Side(_inference(ours, x)),
    )


def _inference(layer: nn.Module, x: Tensor) -> Callable[[], list[Tensor]]:
    def run() -> list[Tensor]:
        with torch.inference_mode():
            return [layer(x)[0]]

    return run


def stream(point: Point) -> Contest:
    """As many single steps as the point says, each with the state of the one before."""
    ours = make_layer(cells.LSTM(), point).eval()
    peer = torch_twin(ours, nn.LSTM).eval()
    x = sequences(point)
    # each side's steps in the shape it takes, made before the clock starts
    return Contest(
        Side(_steps(peer, list(x.split(1))), lambda given: [torch.cat(given)]),
        Side(_steps(ours.step, list(x.unbind())), lambda given: [torch.stack(given)]),
    )


def _steps(step: Callable[..., Any], inputs: list[Tensor]) -> Callable[[], list[Tensor]]:
    def run() -> list[Tensor]:
        outputs, state = [], None
        with torch.inference_mode():
            for each in inputs:
                output, state = step(each, state)
                outputs.append(output)
        return outputs

    return run


def recording_cost(point: Point) -> Contest:
    """``record()`` in the peer's place, so that the ratio is what recording costs."""
    layer = make_layer(cells.LSTM(), point)
    x = sequences(point)

    def forward() -> list[Tensor]:
        with torch.no_grad():
            return [layer(x)[0]]

    return Contest(Side(lambda: layer.record(x), lambda given: [given["layer0.h"]]), Side(forward))


def variant_cost(cell: Cell) -> Callable[[Point], Contest]:
    """A variant of the LSTM in the peer's place, so that the ratio is what it costs."""

    def contest(point: Point) -> Contest:
        x = sequences(point).requires_grad_()
        variant, plain = make_layer(cell, point), make_layer(cells.LSTM(), point)
        return Contest(Side(layer_step(variant, x)), Side(layer_step(plain, x)), alike=False)

    return contest
