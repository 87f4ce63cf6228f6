"""The gradient through time, as a record."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from engram.records.record import Record

Label = Literal["reached", "vanished", "cut"]


@dataclass(frozen=True)
class Decay:
    """The gradient of a single loss with respect to one state, by lag.

    Attributes:
        norms: ‖∂L_t/∂s_{t-k}‖ for k = 0, 1, …, the mean over the rows that have such a step; steps
            are counted in the direction of the layer.
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
class GradientReach(Record):
    """How far back the loss at one step reaches, for every layer and state.

    Attributes:
        decays: By state: ``layer0.h``, ``layer0_reverse.c``, ``encoder.layer0.h``, ….
        positions: How many single losses were measured.
        threshold: Share of the norm at lag 0 that defines the horizon.
        truncation: Steps that a gradient flowed back in training (k2); training never saw lags
            from here on, however large the gradient is there. None where nothing was cut.
    """

    name: ClassVar[str] = "gradient-reach"

    decays: dict[str, Decay]
    positions: int
    threshold: float
    truncation: int | None

    @property
    def farthest(self) -> str:
        """The state whose gradient reaches farthest back."""
        return max(self.decays, key=lambda name: self.decays[name].horizon)

    def label(self, state: str, lag: int) -> Label:
        """What became of the gradient at a lag: *cut* by truncation, *vanished*, or *reached*."""
        norms = self.decays[state].norms
        if self.truncation is not None and lag >= self.truncation:
            return "cut"
        return "vanished" if norms[lag] < self.threshold * norms[0] else "reached"
