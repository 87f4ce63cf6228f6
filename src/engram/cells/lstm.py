"""Long short-term memory (Hochreiter, Schmidhuber 1997) with forget gate (Gers et al. 2000)."""

from typing import Any, final

from engram.cells.base import Cell
from engram.cells.language import sigmoid, tanh


@final
class LSTM(Cell):
    """c' = σ(f)·c + σ(i)·tanh(g) and h' = σ(o)·tanh(c'); the equations of torch.nn.LSTM.

    Gate order: input i, forget f, candidate g, output o, as in torch.nn.LSTM.
    """

    gates = ("i", "f", "g", "o")
    states = ("h", "c")
    forget_gate = "f"
    write_gate = "i"
    torch_layer = "lstm"

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        c = sigmoid(x.f + r.f) * s.c + sigmoid(x.i + r.i) * tanh(x.g + r.g)
        return {"h": sigmoid(x.o + r.o) * tanh(c), "c": c}
