"""minGRU step by step in a kernel, against parallel scans over time written in torch.

    python -m benchmarks.scan                    # all points
    python -m benchmarks.scan 1,1000,64,64 …     # these: B, T, I, H

The state is affine in the one before it, h' = a·h + b, so a sequence can be computed by a scan of
pairs (a, b) in few large operations: over all chunks of the time axis at once, then from chunk to
chunk; or in the logarithm of cumulative sums, where all numbers are positive (Feng et al. 2024,
appendix B; Heinsen 2023). Both sides make a training step, or a forward pass, from the same
weights.
"""

import itertools
import math
import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.contests import THREADS, make_layer, training_step
from benchmarks.measure import Contest, Side, time_in_turns
from benchmarks.points import Point, sequences
from engram import cells
from engram.cells.minimal import CANDIDATES
from engram.layers import Recurrent
from engram.training.memory import keep_freed_memory

POINTS = [
    Point(batch, steps, 64, hidden)
    for batch, steps, hidden in itertools.product((1, 32), (1_000, 10_000), (64, 256))
]
PAIRS = 3
# Rows times steps from which on it takes minutes.
_MOST_IN_LOGARITHMS = 100_000


def in_chunks(a: Tensor, b: Tensor) -> Tensor:
    """Scan ``(T, B, H)``: √T steps over all chunks at once, then as many from chunk to chunk."""
    steps, batch, hidden = a.shape
    size = math.isqrt(steps - 1) + 1
    count = -(-steps // size)
    padding = (0, 0, 0, 0, 0, count * size - steps)
    # (size, count, B, H): the steps of a chunk go first
    a = nn.functional.pad(a, padding, value=1.0).view(count, size, batch, hidden).transpose(0, 1)
    b = nn.functional.pad(b, padding).view(count, size, batch, hidden).transpose(0, 1)
    state, factors, states = torch.zeros_like(b[0]), [], []
    factor = torch.ones_like(state)
    for a_t, b_t in zip(a.unbind(), b.unbind(), strict=True):
        factor, state = factor * a_t, torch.addcmul(b_t, a_t, state)
        factors.append(factor)
        states.append(state)
    carried, before = [], torch.zeros_like(state[0])
    for whole, own in zip(factor.unbind(), state.unbind(), strict=True):
        carried.append(before)
        before = torch.addcmul(own, whole, before)
    output = torch.addcmul(torch.stack(states), torch.stack(factors), torch.stack(carried))
    return output.transpose(0, 1).reshape(count * size, batch, hidden)[:steps]


def in_logarithms(a: Tensor, b: Tensor) -> Tensor:
    """Scan of positive numbers: log h_t = Σ log a + logsumexp(log b - Σ log a)."""
    factors = a.log().cumsum(0)
    return torch.exp(factors + torch.logcumsumexp(b.log() - factors, 0))


def scanned(
    layer: Recurrent, candidate: str, scan: Callable[[Tensor, Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """minGRU with the weights of a layer, its states by a scan."""

    def forward(x: Tensor) -> Tensor:
        bias = layer.get_parameter("bias_ih_l0") + layer.get_parameter("bias_hh_l0")
        z, n = nn.functional.linear(x, layer.get_parameter("weight_ih_l0"), bias).chunk(2, dim=-1)
        opening = torch.sigmoid(z)
        return scan(1 - opening, opening * CANDIDATES[candidate](n))

    return forward


def without_gradient(forward: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], list[Tensor]]:
    def run() -> list[Tensor]:
        with torch.inference_mode():
            return [forward(x)]

    return run


SCANS = {
    "chunks": ("identity", in_chunks),
    "logarithms": ("positive", in_logarithms),
}


def main() -> None:
    keep_freed_memory()
    torch.set_num_threads(THREADS)
    print("| B, T, I, H | scan | difference | training step | ratio | forward | ratio |")
    print("|---|---|---|---|---|---|---|")
    asked = [Point(*map(int, given.split(","))) for given in sys.argv[1:]]
    for point, (name, (candidate, scan)) in itertools.product(asked or POINTS, SCANS.items()):
        if scan is in_logarithms and point.batch * point.steps > _MOST_IN_LOGARITHMS:
            continue
        layer = make_layer(cells.MinGRU(candidate=candidate), point)
        peer = scanned(layer, candidate, scan)

        def ours(x: Tensor, layer: Recurrent = layer) -> Tensor:
            return layer(x)[0]

        x = sequences(point).requires_grad_()
        weights = [p for n, p in layer.named_parameters() if not n.startswith("weight_hh")]
        training = Contest(
            Side(training_step(peer, x, weights)), Side(training_step(ours, x, weights))
        )
        forward = Contest(Side(without_gradient(peer, x)), Side(without_gradient(ours, x)))
        theirs, own = forward.peer.run()[0], forward.ours.run()[0]
        shown = [f"{float((theirs - own).abs().max()):.0e}"]
        for contest in (training, forward):
            timing = time_in_turns(contest, PAIRS)
            mark = " (disturbed)" if timing.disturbed else ""
            shown += [f"{timing.peer * 1e3:.1f} ms : {timing.ours * 1e3:.1f} ms{mark}"]
            shown += [f"{timing.ratio:.2f}"]
        print(f"| {point} | {name} | {' | '.join(shown)} |", flush=True)


if __name__ == "__main__":
    main()
