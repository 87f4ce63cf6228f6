"""Ω: the penalty on a gradient that vanishes or explodes from one step to the one before."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from engram.cells import Cell, Elman
from engram.engine.sequence import resets_in_running_order, valid_steps
from engram.layers.stack import Pass
from engram.training.penalties.stretch import Stretch

# φ'(x) from h = φ(x).
SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda h: 1.0 - h * h,
    "relu": lambda h: (h > 0.0).to(h.dtype),
    "sigmoid": lambda h: h * (1.0 - h),
}


def omega_obstacle(cell: Cell) -> str | None:
    """Why Ω is not defined for a cell; None where it is."""
    if isinstance(cell, Elman) and cell.activation in SLOPES and cell.leak == 1.0:
        return None
    return (
        "omega is defined for an Elman network without leak, whose only path from step to step is "
        f"W·diag φ'(x); {cell!r} has others: use --cell elman, or leave it out"
    )


@torch.no_grad()
def omega(stretch: Stretch, layer: str, activation: str) -> tuple[Tensor, list[Tensor]]:
    """Ω of one Elman layer in one direction, and its gradient.

    Pascanu, Mikolov, Bengio (2013), with x_k the preactivation at step k, h_k = φ(x_k) and
    x_{k+1} = W h_k + …, a row of the batch at a time, and then the mean over rows:

        Ω = Σ_k Ω_k = Σ_k ( ‖∂E/∂x_{k+1} · ∂x_{k+1}/∂x_k‖ / ‖∂E/∂x_{k+1}‖ - 1 )²

    where ∂E/∂x_{k+1} · ∂x_{k+1}/∂x_k = φ'(x_k) ⊙ Wᵀ ∂E/∂x_{k+1}. As in the paper, Ω is
    differentiated only through the immediate dependence on W: x_k and ∂E/∂x_{k+1} are constants.

    A step whose ∂E/∂x_{k+1} is too small to have a direction in its number format, or that begins a
    sequence, has no Ω_k. The cost is a second backward pass in small pieces, T products of
    ``(B, H)`` and ``(H, H)``, which about doubles the time of an update, and memory for four
    tensors ``(T, B, H)``.

    Args:
        stretch: What the layer did; its outputs and final states hold their gradients of E.
        layer: Which of its layers and directions.
        activation: φ, a name in `SLOPES`.

    Returns:
        Ω, and for each pass of the stretch ∂⁺Ω/∂W, ``(H, H)``.
    """
    passes = stretch.passes
    hidden = _joined([_in_running_order(each.results[layer].output, layer) for each in passes])
    arriving = _joined([_gradient_of_output(each, layer) for each in passes])
    valid, clear = _masks(passes, layer)
    pieces = [len(each.output) for each in passes]
    matrices = [each.weights[layer].recurrent for each in passes]
    matrix_at = [matrix for matrix, n in zip(matrices, pieces, strict=True) for _ in range(n)]

    # ∂E/∂x_k = φ'(x_k) ⊙ (what arrives at h_k from above + Wᵀ ∂E/∂x_{k+1}), from the end on
    slopes = SLOPES[activation](hidden)
    if valid is not None:
        slopes.mul_(valid)
    from_above = slopes * arriving
    by_input = torch.empty_like(hidden)  # ∂E/∂x_k
    by_state = torch.empty_like(hidden)  # Wᵀ ∂E/∂x_k, which goes to h_{k-1}
    coming = _gradient_of_state(passes[-1], layer)
    steps = zip(from_above, slopes, by_input, by_state, matrix_at, strict=True)
    for k, (above, slope, at_input, at_state, matrix) in reversed([*enumerate(steps)]):
        torch.addcmul(above, slope, coming, out=at_input)
        torch.mm(at_input, matrix, out=at_state)
        if valid is not None:  # past a row's end the final state's gradient waits
            at_state.add_(coming * ~valid[k])
        if clear is not None:
            at_state.mul_(~clear[k])
        coming = at_state

    later, slopes = by_input[1:], slopes[:-1]
    before = by_state[1:].mul_(slopes)
    size = torch.linalg.vector_norm(later, dim=2)
    size_before = torch.linalg.vector_norm(before, dim=2)
    counts = size > 10.0 * torch.finfo(size.dtype).tiny ** 0.5  # squares below that are lost
    if valid is not None:
        counts &= (valid[1:] & valid[:-1]).squeeze(2)
    if clear is not None:
        counts &= ~clear[1:].squeeze(2)
    batch = hidden.shape[1]
    excess = torch.where(counts, size_before / size - 1.0, 0.0)
    value = excess.square().sum() / batch

    # ∂⁺Ω/∂W = Σ 2 (‖v‖/‖δ‖ - 1) / (‖δ‖ ‖v‖) · δ (φ' ⊙ v)ᵀ, with δ = later and v = before
    factor = torch.where(counts & (size_before > 0.0), 2.0 * excess / (size * size_before), 0.0)
    left = later.mul_((factor / batch).unsqueeze(2))
    right = before.mul_(slopes)
    # a link belongs to the pass of its later step; the first step of all has no link
    rows = [pieces[0] - 1, *pieces[1:]]
    gradients = [
        a.flatten(0, 1).t() @ b.flatten(0, 1)
        for a, b in zip(left.split(rows), right.split(rows), strict=True)
    ]
    return value, gradients


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat([*tensors])


def _in_running_order(tensor: Tensor, layer: str) -> Tensor:
    return tensor.flip(0) if layer.endswith("_reverse") else tensor


def _gradient_of_output(passed: Pass, layer: str) -> Tensor:
    """What arrives at the emitted states from above, ``(T, B, H)`` in running order."""
    output = passed.results[layer].output
    gradient = torch.zeros_like(output) if output.grad is None else output.grad
    return _in_running_order(gradient, layer)


def _gradient_of_state(passed: Pass, layer: str) -> Tensor:
    """What arrives at the final state from outside the layer, ``(B, H)``."""
    gradient = passed.state[0].grad
    if gradient is None:
        return torch.zeros_like(passed.results[layer].output[0])
    return gradient[list(passed.results).index(layer)]


def _masks(passes: Sequence[Pass], layer: str) -> tuple[Tensor | None, Tensor | None]:
    """Valid steps, and steps before which the state is cleared, ``(T, B, 1)`` in running order."""
    reverse = layer.endswith("_reverse")
    valid, clear = [], []
    for each in passes:
        steps, batch, _ = each.output.shape
        none = each.output.new_zeros(steps, batch, dtype=torch.bool)
        valid.append(~none if each.lengths is None else valid_steps(each.lengths, steps))
        cleared = resets_in_running_order(each.reset, each.lengths, reverse)
        clear.append(none if cleared is None else cleared)
    flipped = [
        torch.cat([_in_running_order(each, layer) for each in group]).unsqueeze(2)
        for group in (valid, clear)
    ]
    any_lengths = any(each.lengths is not None for each in passes)
    any_reset = any(each.reset is not None for each in passes)
    return flipped[0] if any_lengths else None, flipped[1] if any_reset else None
