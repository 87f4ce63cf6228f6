"""Wrapping: a cell that wraps another one and keeps its declarations."""

from typing import Any

from engram.cells.base import Cell

# All declarations except torch's fused layer, which computes the unwrapped cell.
_DECLARATIONS = (
    *("gates", "states", "recurrent", "unconnected", "late", "weights", "masks"),
    *("initial_weights", "forget_gate", "forget_shift", "write_gate", "write_shift"),
    *("candidate", "joint"),
)


def keep_declarations(kind: type[Cell]) -> type[Cell]:
    """Take declarations from the attribute ``cell``, except those the class makes itself."""
    for name in _DECLARATIONS:
        if name not in vars(kind):
            setattr(kind, name, property(_of_the_cell_inside(name)))
    return kind


def _of_the_cell_inside(name: str) -> Any:
    return lambda self: getattr(self.cell, name)
