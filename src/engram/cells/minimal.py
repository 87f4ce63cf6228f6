"""minGRU and minLSTM: gates that see only the input.

Feng et al. 2024, "Were RNNs All We Needed?". Units do not see each other and gates do not see the
state, so the state after a step is affine in the state before it.
"""

from typing import Any, final

from engram.cells.base import Cell
from engram.cells.language import candidate, identity, relu, sigmoid
from engram.errors import ConfigError, did_you_mean


def positive(a: Any) -> Any:
    """a + ½ if a ≥ 0, else σ(a): the paper's g (appendix B), continuous and positive."""
    return relu(a) + sigmoid(-relu(-a))


CANDIDATES = {"identity": identity, "positive": positive}


@final
class MinGRU(Cell):
    """h' = (1 - z)·h + z·n with z = σ(z): a GRU whose gates see only the input.

    Gate order: update z, candidate n. An open z replaces the state, so
    ``forget_bias`` does not apply. A recurrent bias adds to the input bias.

    Args:
        candidate: ``"identity"`` (the paper's section 3.1) or ``"positive"``, the function g of its
            appendix, which keeps states positive.

    Raises:
        ConfigError: For any other candidate.
    """

    gates = ("z", "n")
    recurrent = ()
    candidate = "n"

    def __init__(self, *, candidate: str = "identity") -> None:
        self._candidate = _checked("MinGRU", candidate)

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        z = sigmoid(x.z + r.z)
        return {"h": (1 - z) * s.h + z * candidate(CANDIDATES[self._candidate](x.n + r.n))}


@final
class MinLSTM(Cell):
    """h' = f'·h + i'·n with f' = f / (f + i), i' = i / (f + i), f, i = σ(·).

    An LSTM whose gates see only the input and sum to 1, without output gate or cell state
    (the paper's section 3.2). Gate order: forget f, input i, candidate n.

    Args:
        candidate: As in `MinGRU`.

    Raises:
        ConfigError: For any other candidate.
    """

    gates = ("f", "i", "n")
    recurrent = ()
    candidate = "n"
    forget_gate = "f"
    write_gate = "i"

    def __init__(self, *, candidate: str = "identity") -> None:
        self._candidate = _checked("MinLSTM", candidate)

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        f, i = sigmoid(x.f + r.f), sigmoid(x.i + r.i)
        kept = f / (f + i)
        fresh = CANDIDATES[self._candidate]
        return {"h": kept * s.h + (1 - kept) * candidate(fresh(x.n + r.n))}


def _checked(cell: str, candidate: str) -> str:
    if candidate not in CANDIDATES:
        raise ConfigError(
            f"{cell}(candidate={candidate!r}): {did_you_mean(str(candidate), CANDIDATES)}"
        )
    return candidate
