"""Whether an engine that is made from a cell's graph can run the cell at all."""

from functools import cache

from engram.cells.base import Cell
from engram.engine.torch_internals import constant_for_compile
from engram.engine.trace import UntraceableError, trace


def untraceable(cell: Cell) -> str | None:
    """Why a cell cannot be written as a graph; None where it can."""
    return _tried(cell)


constant_for_compile(untraceable)


@cache
def _tried(cell: Cell) -> str | None:
    if cell.late:
        return (
            f"cell {type(cell).__name__} multiplies its recurrent matrix with a value made within "
            "the step, and kernels know products with the states before it alone"
        )
    try:
        trace(cell)
    except UntraceableError as fault:
        return str(fault)
    return None
