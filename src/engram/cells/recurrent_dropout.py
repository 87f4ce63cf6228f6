"""Recurrent dropout: a cell whose new values are dropped, and never its memory."""

from typing import Any, final

from engram.cells.base import Cell, mapped
from engram.cells.language import candidate, operate
from engram.cells.wrapping import keep_declarations
from engram.errors import ConfigError


@keep_declarations
@final
class RecurrentDropout(Cell):
    """The cell inside with d·g in place of its candidate g: c' = f·c + i·(d·g) for an LSTM.

    Semeniuta, Severyn, Barth 2016, "Recurrent Dropout without Memory Loss". The mask d, ``w.drop``,
    is 0 with probability p and else 1/(1 - p), anew for each unit at each step; in evaluation it is
    1, so that the cell is the one inside. What is remembered passes whole.

    Args:
        cell: The cell inside, which names its candidate.

    Raises:
        ConfigError: For a cell that has none.
    """

    def __init__(self, cell: Cell) -> None:
        if cell.candidate is None:
            raise ConfigError(
                f"recurrent_dropout drops the new values that enter a memory, and {cell!r} names "
                "no gate that makes them (candidate); leave it out, or take a cell that does"
            )
        self.cell = cell

    @property
    def masks(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the cell inside, and that of the candidate."""
        return (*self.cell.masks, "drop")

    def feed(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """That of the cell inside; see `Cell.feed`."""
        return self.cell.feed(x, r, s, w)

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        drop = _Drop(w.drop)
        seen = [mapped(blocks, lambda value: _Dropping(value, drop)) for blocks in (x, r, s, w)]
        after = self.cell.step(*seen)
        if not drop.used:
            raise ConfigError(
                f"cell {type(self.cell).__name__} names the candidate '{self.cell.candidate}', and "
                f"its step marks no value as such; write candidate(tanh(…)), with "
                f"{candidate.__module__}.candidate"
            )
        return {name: _value(value) for name, value in after.items()}


class _Drop:
    """The mask of a step, and whether a value was multiplied with it."""

    __slots__ = ("mask", "used")

    def __init__(self, mask: Any) -> None:
        self.mask, self.used = mask, False


class _Dropping:
    """A value of a step whose candidate is multiplied with a mask where the step marks it."""

    __slots__ = ("drop", "value")

    def __init__(self, value: Any, drop: _Drop) -> None:
        self.value, self.drop = value, drop

    def as_candidate(self) -> "_Dropping":
        """The value times the mask; called by `cells.language`."""
        self.drop.used = True
        return self._of(self.value * self.drop.mask)

    def operate(self, name: str, *operands: Any) -> "_Dropping":
        """Apply an operation of the cell language; called by `cells.language`."""
        return self._of(operate(name, *(_value(operand) for operand in operands)))

    def _of(self, value: Any) -> "_Dropping":
        return _Dropping(value, self.drop)

    def __add__(self, other: Any) -> "_Dropping":
        return self._of(self.value + _value(other))

    def __radd__(self, other: Any) -> "_Dropping":
        return self._of(other + self.value)

    def __sub__(self, other: Any) -> "_Dropping":
        return self._of(self.value - _value(other))

    def __rsub__(self, other: Any) -> "_Dropping":
        return self._of(other - self.value)

    def __mul__(self, other: Any) -> "_Dropping":
        return self._of(self.value * _value(other))

    def __rmul__(self, other: Any) -> "_Dropping":
        return self._of(other * self.value)

    def __truediv__(self, other: Any) -> "_Dropping":
        return self._of(self.value / _value(other))

    def __rtruediv__(self, other: Any) -> "_Dropping":
        return self._of(other / self.value)

    def __neg__(self) -> "_Dropping":
        return self._of(-self.value)


def _value(operand: Any) -> Any:
    return operand.value if isinstance(operand, _Dropping) else operand
