"""Gated recurrent unit (Cho et al. 2014), in the form of torch.nn.GRU."""

from typing import Any, final

from engram.cells.base import Cell
from engram.cells.language import sigmoid, tanh


@final
class GRU(Cell):
    """h' = (1 - z)·n + z·h with n = tanh(x.n + ρ·r.n), ρ = σ(r), z = σ(z).

    The reset gate ρ is applied after the recurrent product and to its bias, as in torch.nn.GRU.
    Gate order: reset r, update z, candidate n. An open update gate keeps the state, so it is the
    gate that ``forget_bias`` sets.
    """

    gates = ("r", "z", "n")
    forget_gate = "z"
    torch_layer = "gru"

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        z = sigmoid(x.z + r.z)
        n = tanh(x.n + sigmoid(x.r + r.r) * r.n)
        return {"h": (1 - z) * n + z * s.h}
