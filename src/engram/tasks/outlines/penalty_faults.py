"""What stands between the penalties of a training and the cell that is trained."""

from typing import Any


def penalty_faults(settings: Any) -> list[str]:
    """A sentence for each penalty that is not defined for the cell.

    Args:
        settings: Of a task: a cell, and training.
    """
    from engram.cells import make_cell
    from engram.training.penalties import obstacles

    return obstacles(make_cell(settings.cell), settings)
