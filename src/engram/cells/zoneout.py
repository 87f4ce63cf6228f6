"""Zoneout: a cell some of whose units keep their state at a step (Krueger et al. 2017)."""

from collections.abc import Iterable, Mapping
from typing import Any, final

from engram.cells.base import Cell
from engram.cells.wrapping import keep_declarations
from engram.errors import ConfigError, did_you_mean


@keep_declarations
@final
class Zoneout(Cell):
    """s' = d·s + (1 - d)·s̃ for each state that is named, with s̃ what the cell inside gives.

    Krueger et al. 2017, "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations". The
    masks d are 1 with probability p and else 0, anew for each unit at each step. s̃ is made of the
    cell's own values: an LSTM's output sees the memory of this step before it is held back, as in
    the paper.

    Args:
        cell: The cell inside.
        probabilities: p for each state that is held back, in [0, 1), by its name; 0 is the same as
            to leave the state out.
        expected: Whether d is its mean p, a number: the cell for evaluation, without masks.

    Raises:
        ConfigError: For states that the cell does not have or that mean nothing alone, and for
            other probabilities, all at once.
    """

    def __init__(
        self,
        cell: Cell,
        probabilities: Mapping[str, float] | Iterable[tuple[str, float]],
        *,
        expected: bool = False,
    ) -> None:
        given = dict(probabilities)
        faults = [fault for name, p in given.items() for fault in _faults(cell, name, p)]
        if faults:
            raise ConfigError("; ".join(faults))
        self.cell, self.expected = cell, expected
        self.probabilities = tuple((n, float(given[n])) for n in cell.states if given.get(n))

    @property
    def masks(self) -> tuple[str, ...]:  # type: ignore[override]
        """One for each state that is held back."""
        own = () if self.expected else tuple(f"zone_{name}" for name, _ in self.probabilities)
        return (*self.cell.masks, *own)

    def feed(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """That of the cell inside; see `Cell.feed`."""
        return self.cell.feed(x, r, s, w)

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        after = dict(self.cell.step(x, r, s, w))
        for name, probability in self.probabilities:
            d = probability if self.expected else getattr(w, f"zone_{name}")
            after[name] = d * getattr(s, name) + (1 - d) * after[name]
        return after


def _faults(cell: Cell, name: str, probability: float) -> list[str]:
    """Why a state cannot be held back with this probability."""
    if name not in cell.states:
        return [f"zoneout names the state {name!r} of {cell!r}: {did_you_mean(name, cell.states)}"]
    number = isinstance(probability, int | float) and not isinstance(probability, bool)
    if not number or not 0.0 <= probability < 1.0:
        return [
            f"zoneout of {name} is {probability!r}; it takes a probability from 0 to below 1, for "
            "with 1 the state would never change"
        ]
    if probability and name in cell.joint:
        others = [state for state in cell.states if state not in cell.joint]
        return [
            f"zoneout of {name}: {', '.join(cell.joint)} of {cell!r} mean something only "
            f"together, and none can be held back alone; name others: {', '.join(others)}"
        ]
    return []
