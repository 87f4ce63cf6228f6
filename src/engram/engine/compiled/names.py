"""Names of cells: an operator of torch takes text, and no cell."""

from functools import cache, lru_cache

from engram.cells.base import Cell
from engram.engine.compiled.plan import Plan, plan
from engram.engine.torch_internals import constant_for_compile

# Plans and kernels of so many cells are kept, those that were used last. A sweep over an option of
# a cell makes one after another, and each takes most of a megabyte; made again, it takes
# milliseconds, as object files stay on disk.
CELLS_KEPT = 64

# Cells stay, because a graph of torch.compile's may ask for one at any time; each is small.
_cells: dict[str, Cell] = {}


def cell_name(cell: Cell) -> str:
    """The name by which operators know a cell: what it computes, so the same in every process.

    Raises:
        UntraceableError: Where the cell cannot be traced; see `trace`.
    """
    return _named(cell)


constant_for_compile(cell_name)


@cache
def _named(cell: Cell) -> str:
    name = plan(cell).name
    _cells.setdefault(name, cell)
    return name


def cell_of(name: str) -> Cell:
    """The cell of a name, or one that computes the same."""
    return _cells[name]


@lru_cache(maxsize=CELLS_KEPT)
def plan_of(name: str) -> Plan:
    """What the kernels of the cell of a name compute."""
    return plan(_cells[name])
