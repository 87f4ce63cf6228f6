"""What a cell computes: equations only, one family a file."""

from collections.abc import Callable

from engram.cells.base import Cell
from engram.cells.elman import Elman
from engram.cells.gru import GRU
from engram.cells.lstm import LSTM
from engram.errors import ConfigError, did_you_mean

__all__ = ["CELLS", "GRU", "LSTM", "Cell", "Elman", "make_cell"]

CELLS: dict[str, Callable[[], Cell]] = {
    "elman": Elman,
    "elman-relu": lambda: Elman("relu"),
    "gru": GRU,
    "lstm": LSTM,
}


def make_cell(name: str) -> Cell:
    """Make the built-in cell of this name.

    Raises:
        ConfigError: For a name that is not in `CELLS`; the text names the nearest.
    """
    if name not in CELLS:
        raise ConfigError(f"cell '{name}' is not known: {did_you_mean(name, CELLS)}")
    return CELLS[name]()
