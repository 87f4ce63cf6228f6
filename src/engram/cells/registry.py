"""Registry: every built-in cell by name, with a summary and its source."""

from collections.abc import Callable
from dataclasses import dataclass

from engram.cells.base import Cell
from engram.cells.elman import Elman
from engram.cells.gru import GRU, MGU
from engram.cells.lstm import LSTM, LSTM1997
from engram.cells.minimal import MinGRU, MinLSTM
from engram.cells.slstm import SLSTM
from engram.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class BuiltIn:
    """A built-in cell.

    Attributes:
        make: Creates the cell.
        summary: One-line description.
        paper: Source of the equations.
    """

    make: Callable[[], Cell]
    summary: str
    paper: str


_ELMAN = "Elman 1990, Finding Structure in Time"
_CHO = "Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder"
_ZHOU = "Zhou et al. 2016, Minimal Gated Unit for Recurrent Neural Networks"
_FENG = "Feng et al. 2024, Were RNNs All We Needed?"
_GREFF = "Greff et al. 2017, LSTM: A Search Space Odyssey"

CELLS: dict[str, BuiltIn] = {
    "elman": BuiltIn(Elman, "the state is a layer's output, fed back; torch.nn.RNN", _ELMAN),
    "elman-relu": BuiltIn(
        lambda: Elman("relu"),
        'the same with relu; with init="identity" the IRNN of Le, Jaitly, Hinton 2015',
        _ELMAN,
    ),
    "elman-leaky": BuiltIn(
        lambda: Elman(leak=0.5),
        "leaky integrator: the state moves halfway to its new value",
        "Jaeger et al. 2007, Optimization and Applications of Echo State Networks with "
        "Leaky-Integrator Neurons",
    ),
    "gru": BuiltIn(GRU, "two gates, reset after the recurrent product; torch.nn.GRU", _CHO),
    "gru-cho": BuiltIn(
        lambda: GRU(reset="before"), "the GRU of the paper, reset before the product", _CHO
    ),
    "mgu": BuiltIn(MGU, "one gate, applied after the recurrent product", _ZHOU),
    "mgu-zhou": BuiltIn(
        lambda: MGU(reset="before"), "the MGU of the paper, gate before the product", _ZHOU
    ),
    "mingru": BuiltIn(MinGRU, "a GRU whose gates see only the input", _FENG),
    "minlstm": BuiltIn(MinLSTM, "an LSTM whose gates see only the input", _FENG),
    "lstm": BuiltIn(
        LSTM,
        "input, forget and output gates; torch.nn.LSTM",
        "Gers, Schmidhuber, Cummins 2000, Learning to Forget",
    ),
    "lstm-1997": BuiltIn(
        LSTM1997,
        "constant error carousel: no forget gate",
        "Hochreiter, Schmidhuber 1997, Long Short-Term Memory",
    ),
    "lstm-peephole": BuiltIn(
        lambda: LSTM(peepholes=True), "Greff's V: gates see the cell state", _GREFF
    ),
    "lstm-nig": BuiltIn(
        lambda: LSTM(peepholes=True, input_gate=False), "V without input gate", _GREFF
    ),
    "lstm-nfg": BuiltIn(
        lambda: LSTM(peepholes=True, forget_gate=False), "V without forget gate", _GREFF
    ),
    "lstm-nog": BuiltIn(
        lambda: LSTM(peepholes=True, output_gate=False), "V without output gate", _GREFF
    ),
    "lstm-niaf": BuiltIn(
        lambda: LSTM(peepholes=True, input_activation="identity"),
        "V without input activation",
        _GREFF,
    ),
    "lstm-noaf": BuiltIn(
        lambda: LSTM(peepholes=True, output_activation="identity"),
        "V without output activation",
        _GREFF,
    ),
    "lstm-np": BuiltIn(LSTM, "V without peepholes: the same as lstm", _GREFF),
    "lstm-cifg": BuiltIn(
        lambda: LSTM(peepholes=True, coupled=True), "V with coupled gates, f = 1 - i", _GREFF
    ),
    "lstm-fgr": BuiltIn(
        lambda: LSTM(peepholes=True, full_gate_recurrence=True),
        "V whose gates feed the gates of the next step",
        _GREFF,
    ),
    "lstm-layer-norm": BuiltIn(
        lambda: LSTM(layer_norm=True),
        "layer normalisation of the gate preactivations and the cell state",
        "Ba, Kiros, Hinton 2016, Layer Normalization",
    ),
    "slstm": BuiltIn(
        SLSTM,
        "exponential gates with normaliser and stabiliser",
        "Beck et al. 2024, xLSTM: Extended Long Short-Term Memory",
    ),
}


def make_cell(name: str) -> Cell:
    """Create the built-in cell of this name.

    Raises:
        ConfigError: For a name that is not in `CELLS`; the message suggests the closest one.
    """
    if name not in CELLS:
        raise ConfigError(f"cell '{name}' is not known: {did_you_mean(name, CELLS)}")
    return CELLS[name].make()
