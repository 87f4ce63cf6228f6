"""Zoneout: units randomly keep their previous state at a step (Krueger et al. 2017)."""

from collections.abc import Iterable, Mapping
from typing import Any, final

from engram.cells.base import Cell
from engram.cells.wrapping import keep_declarations
from engram.errors import ConfigError, did_you_mean


@keep_declarations
@final
class Zoneout(Cell):
    """s' = d·s + (1 - d)·s̃ for each named state, where s̃ is the wrapped cell's new state.

    Krueger et al. 2017, "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations". The
    masks d are 1 with probability p and 0 otherwise, independently for each unit and step. s̃ is
    computed from the cell's own values: an LSTM's output sees this step's cell state before zoneout
    is applied, as in the paper.

    Args:
        cell: The cell to wrap.
        probabilities: p in [0, 1) for each state, by name; 0 is the same as leaving the state out.
        expected: Use the mean p instead of the masks d: the cell for evaluation.

    Raises:
        ConfigError: For states that the cell does not have or that are only meaningful together,
            and for invalid probabilities; the message lists all of them.
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
        """One for each state with zoneout."""
        own = () if self.expected else tuple(f"zone_{name}" for name, _ in self.probabilities)
        return (*self.cell.masks, *own)

    def feed(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """The feed of the wrapped cell; see `Cell.feed`."""
        return self.cell.feed(x, r, s, w)

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        after = dict(self.cell.step(x, r, s, w))
        for name, probability in self.probabilities:
            d = probability if self.expected else getattr(w, f"zone_{name}")
            after[name] = d * getattr(s, name) + (1 - d) * after[name]
        return after


def _faults(cell: Cell, name: str, probability: float) -> list[str]:
    """List the reasons why a state cannot have this zoneout probability."""
    if name not in cell.states:
        return [f"zoneout names the state {name!r} of {cell!r}: {did_you_mean(name, cell.states)}"]
    number = isinstance(probability, int | float) and not isinstance(probability, bool)
    if not number or not 0.0 <= probability < 1.0:
        return [
            f"zoneout of {name} is {probability!r}; it takes a probability from 0 to below 1, "
            "because at 1 the state would never change"
        ]
    if probability and name in cell.joint:
        others = [state for state in cell.states if state not in cell.joint]
        return [
            f"zoneout of {name}: {', '.join(cell.joint)} of {cell!r} are only meaningful "
            f"together, so none can be zoned out alone; choose from {', '.join(others)}"
        ]
    return []
