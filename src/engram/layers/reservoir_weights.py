"""The weights of a reservoir: drawn at random, or given and checked."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from engram.errors import ConfigError
from engram.layers.spectrum import scaled_to

_DEFAULT_RADIUS = 0.9


def make_weights(
    input_size: int,
    units: int,
    feedback_size: int,
    *,
    spectral_radius: float | None,
    input_scaling: float | Sequence[float],
    bias_scaling: float,
    feedback_scaling: float,
    leak: float | Sequence[float],
    density: float,
    seed: int | torch.Generator,
    given: Mapping[str, Any],
) -> dict[str, Tensor]:
    """Make the weights of a `Reservoir`, by the names of its buffers, in float64.

    Args:
        given: Weights to use as they are, by the same names; None for those to draw.

    All other arguments are those of `Reservoir`.

    Raises:
        ConfigError: For settings out of range, shapes that do not fit, and a spectral radius that
            cannot be reached.
    """
    sizes = {
        "input_size": (input_size, 1),
        "units": (units, 1),
        "feedback_size": (feedback_size, 0),
    }
    for name, (size, least) in sizes.items():
        if not isinstance(size, int) or size < least:
            raise ConfigError(f"{name} is {size!r}; it takes a whole number from {least}")
    scalings = {"bias_scaling": bias_scaling, "feedback_scaling": feedback_scaling}
    if spectral_radius is not None:
        scalings["spectral_radius"] = spectral_radius
    for name, scaling in scalings.items():
        if not 0.0 <= scaling < math.inf:
            raise ConfigError(f"{name} is {scaling!r}; it takes a number from 0")
    if not 0.0 < density <= 1.0:
        raise ConfigError(f"density is {density!r}; it takes a fraction above 0 and at most 1")
    leaks = _numbers("leak", leak, units, "unit")
    if not bool(((leaks > 0.0) & (leaks <= 1.0)).all()):
        raise ConfigError(f"leak is {leak!r}; it takes numbers above 0 and at most 1")
    generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
    # draw all of them, so that giving one does not change the others
    drawn = {
        "input_weights": _uniform(generator, units, input_size)
        * _numbers("input_scaling", input_scaling, input_size, "feature"),
        "recurrent_weights": _normal(generator, units, density),
        "feedback_weights": _uniform(generator, units, feedback_size) * feedback_scaling,
        "bias": _uniform(generator, units) * bias_scaling,
    }
    weights = {
        name: own if given.get(name) is None else _checked(name, given[name], own.shape)
        for name, own in drawn.items()
    }
    if spectral_radius is None and given.get("recurrent_weights") is None:
        spectral_radius = _DEFAULT_RADIUS
    if spectral_radius is not None:
        recurrent = scaled_to(weights["recurrent_weights"].numpy(), spectral_radius)
        weights["recurrent_weights"] = torch.from_numpy(recurrent)
    return weights | {"leak": leaks}


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Uniform from -1 to 1."""
    return torch.rand(shape, generator=generator, dtype=torch.float64) * 2.0 - 1.0


def _normal(generator: torch.Generator, units: int, density: float) -> Tensor:
    """Weights from N(0, 1), each non-zero with the given probability."""
    shape = units, units
    there = torch.rand(shape, generator=generator, dtype=torch.float64) < density
    return torch.randn(shape, generator=generator, dtype=torch.float64) * there


def _numbers(name: str, value: Any, count: int, owner: str) -> Tensor:
    """Expand one number for all, or one for each, to a vector."""
    numbers = torch.as_tensor(value, dtype=torch.float64)
    if numbers.dim() > 1 or (numbers.dim() == 1 and numbers.shape[0] != count):
        raise ConfigError(
            f"{name} has shape {tuple(numbers.shape)}; it takes one number, or one for each "
            f"{owner}: ({count},)"
        )
    if not bool(torch.isfinite(numbers).all()):
        raise ConfigError(f"{name} is {value!r}; it takes finite numbers")
    return numbers.expand(count).clone()


def _checked(name: str, value: Any, shape: torch.Size) -> Tensor:
    """Check a given matrix, which may be a scipy sparse one."""
    dense = value.toarray() if hasattr(value, "toarray") else value
    weights = torch.as_tensor(dense).detach().to("cpu", torch.float64, copy=True)
    if weights.shape != shape:
        raise ConfigError(f"{name} has shape {tuple(weights.shape)}; it takes {tuple(shape)}")
    if not bool(torch.isfinite(weights).all()):
        raise ConfigError(f"{name} contains NaN or infinite values; give finite weights")
    return weights
