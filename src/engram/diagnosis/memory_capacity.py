"""Memory capacity: how many past inputs can be recovered from a reservoir's state."""

from dataclasses import dataclass

import torch

from engram.errors import ConfigError
from engram.layers.reservoir import Reservoir
from engram.layers.ridge import Moments, solve

# Guards against rounding errors only; too small to affect what can be recalled.
_RIDGE = 1e-9


@dataclass(frozen=True)
class MemoryCapacity:
    """The memory capacity of a reservoir.

    Attributes:
        total: The sum over delays; at most the number of units, for independent inputs.
        by_delay: For delays k = 1, 2, …: r² between the input k steps ago and its linear readout
            from the state.
        units: N.
        amplitude: Inputs were uniform in ± this.
        steps_learnt: Number of steps the readouts were fitted on.
        steps_tested: Number of further steps on which r² was computed.

    Example:
        >>> import engram
        >>> found = engram.memory_capacity(engram.Reservoir(1, 20), delays=5)
        >>> len(found.by_delay), found.units
        (5, 20)
    """

    total: float
    by_delay: tuple[float, ...]
    units: int
    amplitude: float
    steps_learnt: int
    steps_tested: int


def memory_capacity(
    reservoir: Reservoir,
    *,
    delays: int | None = None,
    amplitude: float = 0.5,
    steps_learnt: int | None = None,
    steps_tested: int = 2000,
    seed: int = 0,
) -> MemoryCapacity:
    """Measure memory capacity: MC = Σ_k r²(u(n - k), y_k(n)).

    Jaeger 2001, "Short term memory in echo state networks". The input u is independent and uniform;
    y_k is a linear readout of the state, fitted on one stretch of steps and tested on the next.
    With few steps, chance correlations inflate the result, by about one per ``steps_tested``
    delays.

    Args:
        reservoir: A reservoir with one input and no feedback.
        delays: Largest k; default 2 N.
        amplitude: Inputs are uniform in ± this.
        steps_learnt: Number of steps to fit on; default 20 N + 2,000.
        steps_tested: Number of steps to test on.
        seed: Seed of the inputs.

    Raises:
        ConfigError: For a reservoir with several inputs or feedback, or too few steps.

    Example:
        >>> import engram
        >>> reservoir = engram.Reservoir(1, 20, spectral_radius=0.9)
        >>> 1 < engram.memory_capacity(reservoir).total <= 20
        True
    """
    units = reservoir.units
    if reservoir.input_size != 1 or reservoir.feedback_size:
        raise ConfigError(
            f"the reservoir has {reservoir.input_size} inputs and feedback_size="
            f"{reservoir.feedback_size}; memory capacity is defined for one input and no feedback"
        )
    delays = 2 * units if delays is None else delays
    steps_learnt = 20 * units + 2000 if steps_learnt is None else steps_learnt
    if min(delays, steps_learnt - units, steps_tested - 1) < 1:
        raise ConfigError(
            f"delays={delays}, steps_learnt={steps_learnt}, steps_tested={steps_tested}; they take "
            f"at least 1, more than the {units} units, and 2"
        )
    dtype = reservoir.bias.dtype
    generator = torch.Generator().manual_seed(seed)
    # the first fitted step comes after all delays and after the initial transient
    before = delays + 100
    count = before + steps_learnt + steps_tested
    u = (torch.rand(count, generator=generator, dtype=torch.float64) * 2.0 - 1.0) * amplitude
    with torch.no_grad():
        states, _ = reservoir(u.to(dtype).unsqueeze(1))
    states = states[before:].double()
    past = u.unfold(0, delays + 1, 1)[before - delays :, :-1].flip(1)  # column k - 1: delay k
    moments = Moments(units, delays)
    moments.add(states[:steps_learnt], past[:steps_learnt])
    weights, bias = solve([moments], _RIDGE)
    recalled = states[steps_learnt:] @ weights.t() + bias
    by_delay = tuple(_squared_correlation(recalled, past[steps_learnt:]).tolist())
    return MemoryCapacity(sum(by_delay), by_delay, units, amplitude, steps_learnt, steps_tested)


def _squared_correlation(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Of each column."""
    a, b = a - a.mean(dim=0), b - b.mean(dim=0)
    return (a * b).sum(dim=0) ** 2 / ((a * a).sum(dim=0) * (b * b).sum(dim=0)).clamp(min=1e-300)
