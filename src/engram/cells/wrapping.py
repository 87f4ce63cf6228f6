"""Wrapping: a cell made of another one, which keeps what the other declares."""

from typing import Any

from engram.cells.base import Cell

# All that a cell declares, but torch's fused layer: that has the equations of the cell inside.
_DECLARATIONS = (
    *("gates", "states", "recurrent", "unconnected", "late", "weights", "masks"),
    *("initial_weights", "forget_gate", "forget_shift", "write_gate", "write_shift"),
    *("candidate", "joint"),
)


def keep_declarations(kind: type[Cell]) -> type[Cell]:
    """Let cells of a class declare what their attribute ``cell`` does, unless the class does."""
    for name in _DECLARATIONS:
        if name not in vars(kind):
            setattr(kind, name, property(_of_the_cell_inside(name)))
    return kind


def _of_the_cell_inside(name: str) -> Any:
    return lambda self: getattr(self.cell, name)
