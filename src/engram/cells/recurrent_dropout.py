"""Recurrent dropout: a cell whose candidate values are dropped, but never its memory."""

from typing import Any, final

from engram.cells.base import Cell, mapped
from engram.cells.language import candidate, operate
from engram.cells.wrapping import keep_declarations
from engram.errors import ConfigError


@keep_declarations
@final
class RecurrentDropout(Cell):
    """The wrapped cell with d·g instead of its candidate g: c' = f·c + i·(d·g) for an LSTM.

    Semeniuta, Severyn, Barth 2016, "Recurrent Dropout without Memory Loss". The mask d, ``w.drop``,
    is 0 with probability p and 1/(1 - p) otherwise, independently for each unit and step; in
    evaluation it is 1, which leaves the wrapped cell. The memory itself is never dropped.

    Args:
        cell: The cell to wrap, which declares its candidate.

    Raises:
        ConfigError: For a cell without a candidate.
    """

    def __init__(self, cell: Cell) -> None:
        if cell.candidate is None:
            raise ConfigError(
                f"recurrent_dropout drops the new values that enter a memory, and {cell!r} "
                "declares no gate that computes them (candidate); leave it out, or use another cell"
            )
        self.cell = cell

    @property
    def masks(self) -> tuple[str, ...]:  # type: ignore[override]
        """The wrapped cell's masks, and the candidate's mask."""
        return (*self.cell.masks, "drop")

    def feed(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """The feed of the wrapped cell; see `Cell.feed`."""
        return self.cell.feed(x, r, s, w)

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        drop = _Drop(w.drop)
        seen = [mapped(blocks, lambda value: _Dropping(value, drop)) for blocks in (x, r, s, w)]
        after = self.cell.step(*seen)
        if not drop.used:
            raise ConfigError(
                f"cell {type(self.cell).__name__} declares the candidate "
                f"'{self.cell.candidate}', but its step does not mark its value; write "
                f"candidate(tanh(…)), with {candidate.__module__}.candidate"
            )
        return {name: _value(value) for name, value in after.items()}


class _Drop:
    """The mask of a step, and whether it was applied."""

    __slots__ = ("mask", "used")

    def __init__(self, mask: Any) -> None:
        self.mask, self.used = mask, False


class _Dropping:
    """A value in a step that applies the mask when the step marks it as the candidate."""

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
