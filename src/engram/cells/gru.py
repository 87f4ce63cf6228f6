"""Gated recurrent unit (Cho et al. 2014), in both of its forms."""

from typing import Any, final

from engram.cells.base import Cell
from engram.cells.language import candidate, sigmoid, tanh
from engram.errors import ConfigError, did_you_mean

RESETS = ("after", "before")


@final
class GRU(Cell):
    """h' = (1 - z)·n + z·h with n = tanh(x.n + ρ·r.n), ρ = σ(r), z = σ(z).

    Gate order: reset r, update z, candidate n. An open update gate keeps the state, so it is the
    gate that ``forget_bias`` sets.

    Args:
        reset: Where the reset gate ρ acts: ``"after"`` the recurrent product, and on its bias too,
            as in torch.nn.GRU; or ``"before"`` it, n = tanh(x.n + R(ρ·h)), as in the paper. The
            latter multiplies by a value computed within the step, so it runs on the reference
            engine.

    Raises:
        ConfigError: For any other ``reset``.
    """

    gates = ("r", "z", "n")
    forget_gate = "z"
    candidate = "n"

    def __init__(self, *, reset: str = "after") -> None:
        self.reset = checked_reset("GRU", reset)

    @property
    def late(self) -> tuple[str, ...]:  # type: ignore[override]
        """The candidate, if the reset gate acts before its recurrent product."""
        return ("n",) if self.reset == "before" else ()

    @property
    def torch_layer(self) -> str | None:  # type: ignore[override]
        """torch.nn.GRU, if the reset gate acts after the product."""
        return "gru" if self.reset == "after" else None

    def feed(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """The state after the reset gate; see `Cell.feed`."""
        return {"h": sigmoid(x.r + r.r) * s.h}

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        z = sigmoid(x.z + r.z)
        recurrent = r.n if self.late else sigmoid(x.r + r.r) * r.n
        return {"h": (1 - z) * candidate(tanh(x.n + recurrent)) + z * s.h}


@final
class MGU(Cell):
    """h' = (1 - f)·h + f·n with n = tanh(x.n + f·r.n), f = σ(f): the minimal gated unit.

    Zhou, Wu, Zhang, Zhou 2016, "Minimal Gated Unit for Recurrent Neural Networks": one gate does
    the work of a GRU's reset and update gates. Gate order: forget f, candidate n. Despite its name,
    an open f replaces the state, so ``forget_bias`` does not apply.

    Args:
        reset: As in `GRU`: ``"after"`` the recurrent product, or ``"before"`` it as in the paper,
            n = tanh(x.n + R(f·h)), on the reference engine.

    Raises:
        ConfigError: For any other ``reset``.
    """

    gates = ("f", "n")
    candidate = "n"

    def __init__(self, *, reset: str = "after") -> None:
        self.reset = checked_reset("MGU", reset)

    @property
    def late(self) -> tuple[str, ...]:  # type: ignore[override]
        """The candidate, if the gate acts before its recurrent product."""
        return ("n",) if self.reset == "before" else ()

    def feed(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """The state after the gate; see `Cell.feed`."""
        return {"h": sigmoid(x.f + r.f) * s.h}

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        f = sigmoid(x.f + r.f)
        recurrent = r.n if self.late else f * r.n
        return {"h": (1 - f) * s.h + f * candidate(tanh(x.n + recurrent))}


def checked_reset(cell: str, reset: str) -> str:
    """Check the position of a reset gate, one of `RESETS`.

    Raises:
        ConfigError: For any other value.
    """
    if reset not in RESETS:
        raise ConfigError(f"{cell}(reset={reset!r}): {did_you_mean(str(reset), RESETS)}")
    return reset
