"""Torch modules that run a cell over a sequence, and what stands before and behind them."""

from engram.layers.choice import engine_of
from engram.layers.convolution import FrameConvolution, TemporalConvolution
from engram.layers.convolutional_lstm import ConvLSTM
from engram.layers.dropout import VariationalDropout
from engram.layers.recurrent import Recurrent
from engram.layers.torchlike import GRU, LSTM, RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "ConvLSTM",
    "FrameConvolution",
    "Recurrent",
    "TemporalConvolution",
    "VariationalDropout",
    "engine_of",
]
