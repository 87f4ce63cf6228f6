"""Gradient through time: how far back a loss at one step reaches."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engram.errors import DataError
from engram.layers.stack import Pass
from engram.layers.unrolled import unrolled
from engram.models.evaluating import evaluating
from engram.records import Decay, GradientReach
from engram.tasks.probe import Probe, Single

THRESHOLD = 0.01


def gradient_reach(
    model: nn.Module,
    probe: Probe,
    *,
    lags: int | None = None,
    rows: int = 256,
    warmup: int = 100,
) -> GradientReach:
    """Measure ‖∂L_t/∂s_{t-k}‖ for single losses L_t, so that other losses do not hide the decay.

    Nothing is truncated in the measurement itself.

    Args:
        model: A model with Engram's recurrent layers; dropout is turned off.
        probe: The task's probe.
        lags: The longest k; default: twice the truncation, at least 100, as far as the data allow.
        rows: Maximum number of single losses.
        warmup: Steps before the longest lag, so that states are as in mid-sequence.

    Raises:
        DataError: For data too short to trace a gradient back, and for a model without layers
            whose steps can be observed.
    """
    lags = lags or max(100, 2 * (probe.truncation or 0))
    rows = min(rows, probe.rows)
    if not rows:
        raise DataError(
            "the data are too short to trace a gradient back; give at least 3 steps in a row"
        )
    context = lags + 1 + warmup if probe.longest > lags + 1 + warmup else None
    with evaluating(model), unrolled(model) as passes:
        single = probe.losses(model, slice(0, rows), context)
    states = _states(passes)
    if not states:
        raise DataError(
            "no recurrent layer of the model exposes its steps, so none can be traced back"
        )
    nodes = [node for _, _, steps in states for node in steps]
    gradients = iter(torch.autograd.grad(single.losses.sum(), nodes, allow_unused=True))
    decays = {}
    for name, passed, steps in states:
        norms = torch.stack(
            [
                torch.zeros(rows) if g is None else g.norm(dim=1).cpu()
                for g in (next(gradients) for _ in steps)
            ]
        )
        places, longest = _places(name, passed, len(steps), rows, single)
        decays[_shown(name)] = describe_decay(_by_lag(norms, places, longest.clamp(max=lags)))
    return GradientReach(decays, rows, THRESHOLD, probe.truncation)


def _states(passes: dict[str, list[Pass]]) -> list[tuple[str, Pass, list[Tensor]]]:
    """Each state of each layer and direction: name, pass, and values in execution order."""
    found = []
    for module, calls in passes.items():
        for layer, result in calls[0].results.items():
            steps = [step for call in calls for step in call.results[layer].steps]
            # skip what the loss does not depend on, such as an encoder without gradients
            if steps and all(value.requires_grad for value in steps[0].values()):
                names = result.state
                for state in names:
                    values = [step[state] for step in steps]
                    found.append((f"{module}.{layer}.{state}", calls[0], values))
    return found


def _shown(name: str) -> str:
    """The name of a state, without its module's name if that is the same in every model."""
    module, layer, state = name.rsplit(".", 2)
    prefix = module.removesuffix("layers").removesuffix(".")
    return f"{prefix}.{layer}.{state}" if prefix else f"{layer}.{state}"


def _places(
    name: str, passed: Pass, steps: int, rows: int, single: Single
) -> tuple[Tensor, Tensor]:
    """The execution step that each row's loss depends on directly, and its longest lag."""
    module, layer, _ = name.rsplit(".", 2)
    reverse = layer.endswith("_reverse")
    lengths = torch.full((rows,), steps) if passed.lengths is None else passed.lengths.cpu()
    ends = torch.zeros_like(lengths) if reverse else lengths - 1
    place = single.places.get(module, ends).cpu()
    if reverse:  # it runs from the last step to the first
        return steps - 1 - place, lengths - 1 - place
    return place, place


def _by_lag(norms: Tensor, places: Tensor, longest: Tensor) -> list[float]:
    """Means over rows by lag, as far as half of them reach.

    Args:
        norms: By execution step, ``(T, B)``.
        places: The step of lag 0, ``(B,)``.
        longest: The longest lag of each row, ``(B,)``.
    """
    means = []
    for lag in range(int(longest.max()) + 1):
        there = longest >= lag
        if 2 * int(there.sum()) < len(places):
            break
        own = norms[(places - lag).clamp(min=0), torch.arange(len(places))]
        means.append(float(own[there].double().mean()))
    return means


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
