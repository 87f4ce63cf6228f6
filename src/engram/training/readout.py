"""Readout: fit the readout of an echo state network in closed form, over any number of series."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engram.errors import DataError
from engram.layers.ridge import Moments, choose_ridge, solve
from engram.models.echo_state import EchoStateNetwork

# Bytes of states that are made at once.
_MOST_BYTES = 64 * 1024 * 1024
# Of so many rows, the last is held out to choose the ridge.
_HELD_OUT = 5


@dataclass(frozen=True)
class Piece:
    """A stretch of some series, driven through a reservoir.

    Attributes:
        places: Which series.
        start: Its first step.
        features: What the readout sees: ``(T, B, F)``, or ``(B, F)`` of whole series.
        state: After each row's last step, ``(B, N)``.
    """

    places: list[int]
    start: int
    features: Tensor
    state: Tensor


def driven(
    network: EchoStateNetwork,
    arrays: Sequence[np.ndarray],
    targets: Sequence[np.ndarray] | None = None,
) -> Iterator[Piece]:
    """Drive a reservoir over series, those of like lengths together; the longest come first.

    A series that is longer than a piece comes in several, with its state carried on.

    Args:
        network: Whose reservoir is driven.
        arrays: ``(T_i, I)`` each.
        targets: ``(T_i, O)`` each, fed back one step late where the reservoir has feedback.
    """
    dtype = network.readout.weight.dtype
    most = max(1, _MOST_BYTES // (network.reservoir.units * dtype.itemsize))
    for places in _batches([len(array) for array in arrays], most):
        x, lengths = padded([arrays[place] for place in places], dtype)
        feedback = None
        if network.reservoir.feedback_size and targets is not None:
            taught, _ = padded([targets[place] for place in places], dtype)
            feedback = torch.cat([torch.zeros_like(taught[:1]), taught[:-1]])
        in_pieces = len(places) == 1 and network.summary == "steps"
        size = most if in_pieces else len(x)
        state = None
        for start in range(0, len(x), size):
            piece = slice(start, start + size)
            with torch.no_grad():
                features, state = network.features(
                    x[piece],
                    state,
                    feedback=None if feedback is None else feedback[piece],
                    lengths=None if in_pieces else lengths,
                )
            yield Piece(places, start, features, state)


def padded(arrays: Sequence[np.ndarray], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """``(T, B, K)`` of the longest, zero past each row's length, and the lengths ``(B,)``."""
    lengths = torch.tensor([len(array) for array in arrays])
    joined = torch.zeros(int(lengths.max()), len(arrays), arrays[0].shape[1], dtype=dtype)
    for row, array in enumerate(arrays):
        joined[: len(array), row] = torch.from_numpy(array)
    return joined, lengths


def outputs_of(network: EchoStateNetwork, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Outputs of each series, float64: ``(T_i, O)``, or ``(1, O)`` for a whole one.

    With feedback, the network's own outputs are fed back, from zeros on.

    Args:
        network: With a readout that is fitted.
        arrays: ``(T_i, I)`` each.
    """
    found: list[list[Tensor]] = [[] for _ in arrays]
    each_step = network.summary == "steps"
    with torch.no_grad():
        if network.reservoir.feedback_size:
            x, _ = padded(arrays, network.readout.weight.dtype)
            outputs, _ = network(x)
            for place in range(len(found)):
                found[place].append(outputs[:, place])
        else:
            for piece in driven(network, arrays):
                outputs = network.readout(piece.features)
                for row, place in enumerate(piece.places):
                    found[place].append(outputs[:, row] if each_step else outputs[row][None])
    counts = [len(array) if each_step else 1 for array in arrays]
    return [
        torch.cat(pieces)[:count].double().numpy()
        for pieces, count in zip(found, counts, strict=True)
    ]


def ends_of(
    network: EchoStateNetwork,
    arrays: Sequence[np.ndarray],
    targets: Sequence[np.ndarray] | None = None,
) -> tuple[Tensor, Tensor]:
    """The state after each series ``(N, units)``, and the last output of each ``(N, O)``.

    Args:
        network: With an output at each step.
        arrays: ``(T_i, I)`` each.
        targets: ``(T_i, O)`` each, instead of outputs; fed back where the reservoir has feedback.
    """
    states = network.end_state.new_empty(len(arrays), network.reservoir.units)
    outputs = network.end_output.new_empty(len(arrays), network.readout.out_features)
    for piece in driven(network, arrays, targets):
        for row, place in enumerate(piece.places):
            states[place] = piece.state[row]
            step = len(arrays[place]) - 1 - piece.start
            if step < len(piece.features):
                outputs[place] = network.readout(piece.features[step, row])
    if targets is not None:
        outputs = torch.stack([torch.from_numpy(own[-1]) for own in targets]).to(outputs)
    return states, outputs


class ReadoutFit:
    """Sums over series, from which the readout follows.

    Args:
        network: Whose readout is fitted.
        warm_up: Steps at the start of each series that are left out, where each step has a target.
        ridge: Penalty, or None to choose the one that errs least on the last fifth of each series,
            or on every fifth series.
    """

    def __init__(self, network: EchoStateNetwork, warm_up: int, ridge: float | None) -> None:
        self.network, self.warm_up, self.ridge = network, warm_up, ridge
        sizes = network.readout.in_features, network.readout.out_features
        self._learnt, self._held_out = Moments(*sizes), Moments(*sizes)
        self._series = 0

    def add(self, arrays: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> None:
        """Add series, each from a state of zero.

        Args:
            arrays: ``(T_i, I)`` each.
            targets: ``(T_i, O)`` each, or ``(1, O)`` for a whole series.

        Raises:
            DataError: If the warm-up leaves nothing of a series.
        """
        each_step = self.network.summary == "steps"
        if each_step:
            check_warm_up(arrays, self.warm_up)
        for piece in driven(self.network, arrays, targets):
            for row, place in enumerate(piece.places):
                own = torch.from_numpy(targets[place])
                if each_step:
                    self._add_steps(piece.features[:, row], own, piece.start)
                else:
                    last = (self._series + place) % _HELD_OUT == _HELD_OUT - 1
                    into = self._held_out if last and self.ridge is None else self._learnt
                    into.add(piece.features[row : row + 1], own)
            if len(arrays) - 1 in piece.places:
                state = piece.state[piece.places.index(len(arrays) - 1)]
                self.network.end_state.copy_(state)
        self.network.end_output.copy_(torch.from_numpy(targets[-1][-1]))
        self._series += len(arrays)

    def solve(self) -> float:
        """Set the readout to the solution, and give the ridge.

        Raises:
            ConfigError: If there is no single solution.
            DataError: If there are no rows.
        """
        pieces, ridge = [self._learnt], self.ridge
        if ridge is None:
            ridge = choose_ridge(self._learnt, self._held_out)
            pieces.append(self._held_out)
        weights, bias = solve(pieces, ridge)
        with torch.no_grad():
            self.network.readout.weight.copy_(weights)
            self.network.readout.bias.copy_(bias)
        return ridge

    def _add_steps(self, features: Tensor, targets: Tensor, start: int) -> None:
        """Add a stretch of a series, from step ``start`` on."""
        length = len(targets)
        cut = length
        if self.ridge is None:
            cut -= (length - self.warm_up) // _HELD_OUT
        for into, low, high in (
            (self._learnt, self.warm_up, cut),
            (self._held_out, cut, length),
        ):
            low, high = max(low, start), min(high, start + len(features))
            if low < high:
                into.add(features[low - start : high - start], targets[low:high])


def check_warm_up(arrays: Sequence[np.ndarray], warm_up: int) -> None:
    """See that something is left of each series.

    Raises:
        DataError: If nothing is.
    """
    for place, array in enumerate(arrays):
        if len(array) <= warm_up:
            raise DataError(
                f"X[{place}] has {len(array)} steps, but warm_up={warm_up} leaves none of them; "
                "lower warm_up, or leave the series out"
            )


def _batches(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Series of like lengths together, at most a number of steps with their padding; or one "
    "alone."""
    waiting: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if waiting and (len(waiting) + 1) * lengths[waiting[0]] > most:
            yield waiting
            waiting = []
        waiting.append(place)
    if waiting:
        yield waiting
