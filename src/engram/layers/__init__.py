"""Torch modules that run a cell over a sequence."""

from engram.layers.recurrent import Recurrent, engine_of
from engram.layers.torchlike import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN", "Recurrent", "engine_of"]
