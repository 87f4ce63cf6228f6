"""Cells: the equations of one time step, one family per file.

Example:
    >>> import engram
    >>> engram.cells.LSTM(peepholes=True).gates
    ('i', 'f', 'g', 'o')
    >>> engram.cells.make_cell("gru").states
    ('h',)
"""

from engram.cells.base import Cell
from engram.cells.elman import Elman
from engram.cells.gru import GRU, MGU
from engram.cells.lstm import LSTM, LSTM1997
from engram.cells.minimal import MinGRU, MinLSTM
from engram.cells.recurrent_dropout import RecurrentDropout
from engram.cells.registry import CELLS, BuiltIn, make_cell
from engram.cells.slstm import SLSTM
from engram.cells.zoneout import Zoneout

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "LSTM1997",
    "MGU",
    "SLSTM",
    "BuiltIn",
    "Cell",
    "Elman",
    "MinGRU",
    "MinLSTM",
    "RecurrentDropout",
    "Zoneout",
    "make_cell",
]
