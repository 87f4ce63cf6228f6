"""sLSTM of xLSTM (Beck et al. 2024): exponential gates, a normaliser, and a stabiliser."""

from typing import Any, final

from engram.cells.base import Cell
from engram.cells.language import (
    candidate,
    exp,
    identity,
    log_sigmoid,
    maximum,
    relu,
    sigmoid,
    tanh,
)
from engram.errors import ConfigError, did_you_mean

# The logarithm of a forget gate, by the gate's activation.
LOG_FORGET = {"sigmoid": log_sigmoid, "exp": identity}
# Larger than any preactivation: a term this far below the others vanishes.
_FAR = 1e4


@final
class SLSTM(Cell):
    """h' = o·c'/n' with c' = f·c + i·tanh(z) and n' = f·n + i, where i = exp(i).

    Beck et al. 2024, "xLSTM: Extended Long Short-Term Memory", eq. 8 to 17, one head. The state
    m' = max(log f + m, i) prevents overflow: i is computed as exp(i - m') and f as
    exp(log f + m - m'), which scales c and n by the same factor and leaves h unchanged. If n = 0,
    there is no past and m' = i, as if m were -∞; from then on, n ≥ 1. Gate order: input i, forget
    f, candidate z, output o. A recording contains the stabilised i, and log f.

    Args:
        forget_activation: ``"sigmoid"`` or ``"exp"``; the paper allows both.

    Raises:
        ConfigError: For any other activation.
    """

    gates = ("i", "f", "z", "o")
    states = ("h", "c", "n", "m")
    forget_gate = "f"
    write_gate = "i"
    candidate = "z"
    joint = ("c", "n", "m")

    def __init__(self, *, forget_activation: str = "sigmoid") -> None:
        if forget_activation not in LOG_FORGET:
            raise ConfigError(
                f"SLSTM(forget_activation={forget_activation!r}): "
                f"{did_you_mean(str(forget_activation), LOG_FORGET)}"
            )
        self.forget_activation = forget_activation

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        log_f = LOG_FORGET[self.forget_activation](x.f + r.f)
        log_i = x.i + r.i
        past = log_f + s.m - _FAR * relu(1 - s.n)
        m = maximum(past, log_i)
        i, f = exp(log_i - m), exp(past - m)
        c = f * s.c + i * candidate(tanh(x.z + r.z))
        n = f * s.n + i
        return {"h": sigmoid(x.o + r.o) * c / n, "c": c, "n": n, "m": m}
