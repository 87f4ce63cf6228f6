"""Gradient through time: how far back the loss at one step reaches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from engram.data.lanes import document_starts
from engram.data.tokens import Ids
from engram.errors import DataError
from engram.models.many_to_many import ManyToMany
from engram.training.losses import cross_entropy

THRESHOLD = 0.01
Label = Literal["reached", "vanished", "cut"]


@dataclass(frozen=True)
class Decay:
    """The gradient of a single loss with respect to one state, by lag.

    Attributes:
        norms: ‖∂L_t/∂s_{t-k}‖ for k = 0, 1, …, the mean over positions.
        half_life: The lag at which the norm first falls to half of its value at lag 0, on a
            straight line in its logarithm between lags; None where it does not.
        horizon: The last lag before the norm first falls under the threshold.
        beyond: Whether it had not done so at the longest lag, so that the horizon is a lower bound.
    """

    norms: list[float]
    half_life: float | None
    horizon: int
    beyond: bool


@dataclass(frozen=True)
class GradientReach:
    """How far back the loss at one step reaches, for every layer and state.

    Attributes:
        decays: By state: ``layer0.h``, ``layer0.c``, ….
        positions: How many single losses were measured.
        threshold: Share of the norm at lag 0 that defines the horizon.
        truncation: Steps that a gradient flowed back in training (k2); training never saw lags
            from here on, however large the gradient is there.
    """

    decays: dict[str, Decay]
    positions: int
    threshold: float
    truncation: int

    @property
    def farthest(self) -> str:
        """The state whose gradient reaches farthest back."""
        return max(self.decays, key=lambda name: self.decays[name].horizon)

    def label(self, state: str, lag: int) -> Label:
        """What became of the gradient at a lag: *cut* by truncation, *vanished*, or *reached*."""
        norms = self.decays[state].norms
        if lag >= self.truncation:
            return "cut"
        return "vanished" if norms[lag] < self.threshold * norms[0] else "reached"


def gradient_reach(
    model: ManyToMany,
    ids: Ids,
    *,
    truncation: int,
    lags: int | None = None,
    positions: int = 256,
    warmup: int = 100,
    seed: int = 0,
) -> GradientReach:
    """Measure ‖∂L_t/∂s_{t-k}‖ for single losses L_t, so that no step's own loss hides the decay.

    Nothing is truncated in the measurement itself.

    Args:
        model: A token model; its dropout is off here.
        ids: Text as tokens, ``(N,)``.
        truncation: k2 of its training.
        lags: The longest k; default twice the truncation, at least 100, as far as the text allows.
        positions: How many single losses.
        warmup: Steps before the longest lag, so that states are as within a text.
        seed: For the positions.

    Raises:
        DataError: For fewer than three tokens.
    """
    lags = min(lags or max(100, 2 * truncation), len(ids) - 2)
    if lags < 1:
        raise DataError(f"{len(ids)} tokens are too few to follow a gradient back; give 3 or more")
    warmup = min(warmup, len(ids) - 2 - lags)
    window = warmup + lags + 1
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(len(ids) - window, (positions,), generator=generator)
    stream = torch.from_numpy(ids).to(torch.int64)
    rows = torch.stack([stream[s : s + window + 1] for s in starts.tolist()], dim=1)

    was_training = model.training
    model.eval()
    state = None
    if warmup:
        with torch.no_grad():
            before = rows[:warmup]
            _, state = model(before, reset=document_starts(before))
    passed = model.layers.unroll(model.embedding(rows[warmup:-1]), state)
    loss = cross_entropy(model.head(passed.output[-1:]), rows[-1:], reduction="sum")
    names, nodes = [], []
    for layer, result in passed.results.items():
        for state_name in model.layers.cell.states:
            names.append(f"{layer}.{state_name}")
            nodes += [step[state_name] for step in result.steps]
    gradients = torch.autograd.grad(loss, nodes, allow_unused=True)
    model.train(was_training)

    decays = {}
    for i, name in enumerate(names):
        own = gradients[i * (lags + 1) : (i + 1) * (lags + 1)][::-1]  # lag 0 first
        norms = [0.0 if g is None else float(g.norm(dim=1).mean()) for g in own]
        decays[name] = describe_decay(norms)
    return GradientReach(decays, positions, THRESHOLD, truncation)


def describe_decay(norms: Sequence[float], threshold: float = THRESHOLD) -> Decay:
    """Find half-life and horizon of norms by lag."""
    first = norms[0]
    half_life = None
    for lag in range(1, len(norms)):
        if norms[lag] <= 0.5 * first:
            high, low = norms[lag - 1], norms[lag]
            part = 1.0 if low <= 0.0 else math.log(2.0 * high / first) / math.log(high / low)
            half_life = lag - 1 + part
            break
    below = [lag for lag, norm in enumerate(norms) if norm < threshold * first]
    horizon = below[0] - 1 if below else len(norms) - 1
    return Decay(list(norms), half_life, max(0, horizon), not below)
