"""Torch modules that run a cell over a sequence, and the layers used before and after them."""

from engram.layers.attention import (
    AdditiveAttention,
    MultiplicativeAttention,
    SelfAttentivePooling,
    redundancy,
)
from engram.layers.choice import engine_of
from engram.layers.convolution import FrameConvolution, TemporalConvolution
from engram.layers.convolutional_lstm import ConvLSTM
from engram.layers.dropout import VariationalDropout
from engram.layers.pooling import Pooling
from engram.layers.recurrent import Recurrent
from engram.layers.reservoir import Reservoir
from engram.layers.torchlike import GRU, LSTM, RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AdditiveAttention",
    "ConvLSTM",
    "FrameConvolution",
    "MultiplicativeAttention",
    "Pooling",
    "Recurrent",
    "Reservoir",
    "SelfAttentivePooling",
    "TemporalConvolution",
    "VariationalDropout",
    "engine_of",
    "redundancy",
]
