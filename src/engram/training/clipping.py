"""Clipping of gradients: by norm and by value, by the norms seen so far, unit by unit."""

from array import array
from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from engram.training.settings import TrainingSettings

_LEAST_WEIGHT_NORM = 1e-3  # of a unit, so that weights that start at zero can move


@dataclass
class Clipping:
    """All that bounds a gradient before an update, in this order; each limit is None where unused.

    Attributes:
        units: Largest norm of a unit's gradient, as a share of the norm of its weights;
            see `clip_units`.
        norm: Largest norm of the whole gradient: g ← g·limit/‖g‖ (Pascanu, Mikolov, Bengio 2013).
        percentile: The same with a limit that adapts, see `NormHistory`; where both are set the
            smaller limit holds.
        value: Largest absolute value of an entry (Mikolov 2012).
    """

    units: float | None = None
    norm: float | None = None
    percentile: float | None = None
    value: float | None = None
    history: "NormHistory" = field(default_factory=lambda: NormHistory())

    @classmethod
    def of(cls, settings: TrainingSettings) -> "Clipping":
        """What the settings ask for."""
        return cls(
            settings.clip_units, settings.clip_norm, settings.clip_percentile, settings.clip_value
        )

    def apply(self, named: Mapping[str, nn.Parameter], norm: float) -> bool:
        """Clip gradients in place.

        Args:
            named: Parameters by name.
            norm: The norm of all their gradients, from `gradient_norm`.

        Returns:
            Whether anything was changed.
        """
        parameters = list(named.values())
        limits = [] if self.norm is None else [self.norm]
        if self.percentile is not None:
            limits.append(self.history.limit(norm, self.percentile))
        changed = False
        if self.units is not None:
            inner = (p for name, p in named.items() if not name.startswith("head."))
            changed = clip_units(inner, self.units)
            norm = gradient_norm(parameters) if changed else norm
        return clip(parameters, norm, min(limits, default=None), self.value) or changed

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors to store in a checkpoint."""
        if self.percentile is None:
            return {}
        return {"norms": torch.tensor(self.history.norms, dtype=torch.float64)}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        if self.percentile is not None:
            self.history = NormHistory(array("d", tensors["norms"].tolist()))


@dataclass
class NormHistory:
    """Norms of the gradients so far, which set the limit of the next.

    AutoClip (Seetharaman et al. 2020): the limit is the p-th percentile of all norms up to and with
    this one, by linear interpolation. A low p clips nearly all; the paper takes 10.

    Attributes:
        norms: All norms, ascending.
    """

    norms: "array[float]" = field(default_factory=lambda: array("d"))

    def limit(self, norm: float, percentile: float) -> float:
        """Record a norm, and return the limit for it."""
        insort(self.norms, norm)
        place = percentile / 100.0 * (len(self.norms) - 1)
        below = int(place)
        above = min(below + 1, len(self.norms) - 1)
        low, high = self.norms[below], self.norms[above]
        return low + (place - below) * (high - low)


def gradient_norm(parameters: Sequence[nn.Parameter]) -> float:
    """The norm of all gradients as one vector; infinite or NaN where an entry is."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms: list[Tensor] = list(torch._foreach_norm(gradients))
    return float(torch.linalg.vector_norm(torch.stack(norms)))


def clip(
    parameters: Sequence[nn.Parameter], norm: float, limit: float | None, value: float | None
) -> bool:
    """Clip gradients in place: first the norm, g ← g·limit/‖g‖, then each entry to ±value.

    Args:
        parameters: Those whose gradients are clipped.
        norm: The gradient's norm, from `gradient_norm`.
        limit: Largest norm, or None.
        value: Largest absolute value of an entry, or None.

    Returns:
        Whether anything was changed.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    changed = False
    if limit is not None and norm > limit:
        torch._foreach_mul_(gradients, limit / norm)
        changed = True
    if value is not None:
        largest = max(float(g.abs().max()) for g in gradients)
        if largest > value:
            torch._foreach_clamp_min_(gradients, -value)
            torch._foreach_clamp_max_(gradients, value)
            changed = True
    return changed


def clip_units(parameters: Iterable[nn.Parameter], ratio: float) -> bool:
    """Clip the gradient of each unit to a share of its weights' norm, in place.

    Adaptive gradient clipping (Brock et al. 2021): for each row i of a matrix, where
    ‖gᵢ‖ > λ·max(‖wᵢ‖, 10⁻³), gᵢ ← λ·max(‖wᵢ‖, 10⁻³)/‖gᵢ‖·gᵢ. A vector of biases is one unit. The
    paper leaves the last linear layer out, and so does `Clipping`.

    Args:
        parameters: Those whose gradients are clipped.
        ratio: λ.

    Returns:
        Whether anything was changed.
    """
    changed = False
    for parameter in parameters:
        if parameter.grad is None:
            continue
        matrix = parameter.dim() > 1
        weights, gradients = (
            torch.linalg.vector_norm(
                t, dim=tuple(range(1, t.dim())) if matrix else None, keepdim=matrix
            )
            for t in (parameter.detach(), parameter.grad)
        )
        limits = ratio * weights.clamp_min(_LEAST_WEIGHT_NORM)
        over = gradients > limits
        if bool(over.any()):
            parameter.grad.mul_(torch.where(over, limits / gradients, 1.0))
            changed = True
    return changed
