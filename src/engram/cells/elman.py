"""Elman network: the state is one block's activation (Elman 1990, "Finding Structure in Time")."""

from typing import Any, final

from engram.cells.base import Cell
from engram.cells.language import candidate, relu, tanh
from engram.errors import ConfigError, did_you_mean

ACTIVATIONS = {"tanh": tanh, "relu": relu}


@final
class Elman(Cell):
    """h' = φ(x.a + r.a), with φ = tanh or relu, as in torch.nn.RNN; or a leaky average of these.

    With relu and recurrent weights that start as the identity, it is the IRNN (Le, Jaitly, Hinton
    2015, "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units"):
    ``Recurrent(Elman("relu"), …, init="identity")``.

    Args:
        activation: ``"tanh"`` or ``"relu"``.
        leak: Leak rate α in (0, 1]:
            h' = (1 - α)·h + α·φ(x.a + r.a) (Jaeger et al. 2007, "Optimization and applications of
            echo state networks with leaky-integrator neurons"). 1 gives the plain network.

    Raises:
        ConfigError: For another activation or leak.
    """

    gates = ("a",)

    def __init__(self, activation: str = "tanh", *, leak: float = 1.0) -> None:
        faults = []
        if activation not in ACTIVATIONS:
            faults.append(
                f"Elman(activation={activation!r}): {did_you_mean(str(activation), ACTIVATIONS)}"
            )
        if isinstance(leak, bool) or not isinstance(leak, int | float) or not 0 < leak <= 1:
            faults.append(f"Elman(leak={leak!r}): it takes a number above 0 and at most 1")
        if faults:
            raise ConfigError("; ".join(faults))
        self.activation, self.leak = activation, float(leak)

    @property
    def torch_layer(self) -> str | None:  # type: ignore[override]
        """torch.nn.RNN with the same nonlinearity, unless the state leaks."""
        return f"rnn_{self.activation}" if self.leak == 1.0 else None

    @property
    def candidate(self) -> str | None:  # type: ignore[override]
        """a, if the state leaks."""
        return "a" if self.leak < 1.0 else None

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        fresh = ACTIVATIONS[self.activation](x.a + r.a)
        if self.leak == 1.0:
            return {"h": fresh}
        return {"h": (1 - self.leak) * s.h + self.leak * candidate(fresh)}
