"""Observe a step as it runs: the value that each gate takes after its activation."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from engram.cells.base import Cell, take_feed, take_step
from engram.cells.language import ACTIVATIONS, OPERATIONS, OVER_UNITS


class Observed:
    """A value together with the gates whose activation it still awaits.

    Sums and products join the gates of their operands; the first activation applied to a value
    settles its gates, and writes its result into `activations` under each of them. What is one
    number for the whole row awaits nothing.
    """

    __slots__ = ("activations", "pending", "value")

    def __init__(
        self, value: Tensor, pending: frozenset[str], activations: dict[str, Tensor]
    ) -> None:
        self.value = value
        self.pending = pending
        self.activations = activations

    def operate(self, name: str, *operands: Any) -> "Observed":
        """Apply an operation of the cell language; called by `cells.language`."""
        result = OPERATIONS[name](*(_value(o) for o in operands))
        pending = frozenset().union(*(_pending(o) for o in operands))
        if name in OVER_UNITS:
            pending = frozenset()
        if name in ACTIVATIONS:
            for gate in pending:
                self.activations.setdefault(gate, result)
            pending = frozenset()
        return Observed(result, pending, self.activations)

    def _joined(self, result: Tensor, other: Any) -> "Observed":
        return Observed(result, self.pending | _pending(other), self.activations)

    def __add__(self, other: Any) -> "Observed":
        return self._joined(self.value + _value(other), other)

    def __sub__(self, other: Any) -> "Observed":
        return self._joined(self.value - _value(other), other)

    def __rsub__(self, other: Any) -> "Observed":
        return self._joined(_value(other) - self.value, other)

    def __mul__(self, other: Any) -> "Observed":
        return self._joined(self.value * _value(other), other)

    def __truediv__(self, other: Any) -> "Observed":
        return self._joined(self.value / _value(other), other)

    def __rtruediv__(self, other: Any) -> "Observed":
        return self._joined(_value(other) / self.value, other)

    def __neg__(self) -> "Observed":
        return self._joined(-self.value, None)

    __radd__ = __add__
    __rmul__ = __mul__


def _value(operand: Any) -> Any:
    return operand.value if isinstance(operand, Observed) else operand


def _pending(operand: Any) -> frozenset[str]:
    return operand.pending if isinstance(operand, Observed) else frozenset()


def observed_step(
    cell: Cell,
    x: dict[str, Tensor],
    r: dict[str, Tensor],
    s: dict[str, Tensor],
    w: dict[str, Tensor],
    late: Callable[[dict[str, Tensor]], dict[str, Tensor]],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Run one step and see its gates.

    Args:
        cell: The equations.
        x, s, w: As in `Cell.step`.
        r: As in `Cell.step`, for the gates that are not late.
        late: The same for the late ones, from what the cell's feed gives.

    Returns:
        The states after the step, and the activation of each gate. A gate that reaches no
        activation is given as its plain preactivation, input part plus recurrent part.
    """
    activations: dict[str, Tensor] = {}

    def wrap(blocks: dict[str, Tensor], is_gate: bool) -> dict[str, Observed]:
        return {
            name: Observed(value, frozenset([name]) if is_gate else frozenset(), activations)
            for name, value in blocks.items()
        }

    seen_x, seen_s, seen_w = wrap(x, True), wrap(s, False), wrap(w, False)
    if cell.late:
        fed = take_feed(cell, seen_x, wrap(r, True), seen_s, seen_w)
        r = r | late({name: _value(value) for name, value in fed.items()})
    states = take_step(cell, seen_x, wrap(r, True), seen_s, seen_w)
    gates = {name: activations.get(name, x[name] + r[name]) for name in cell.gates}
    return {name: _value(value) for name, value in states.items()}, gates
