"""Elman network: the state is one block's activation (Elman 1990, "Finding Structure in Time")."""

from typing import Any, final

from engram.cells.base import Cell
from engram.cells.language import relu, tanh
from engram.errors import ConfigError, did_you_mean

ACTIVATIONS = {"tanh": tanh, "relu": relu}


@final
class Elman(Cell):
    """h' = φ(x.a + r.a), with φ = tanh or relu; the equations of torch.nn.RNN.

    Args:
        activation: ``"tanh"`` or ``"relu"``.

    Raises:
        ConfigError: For another activation.
    """

    gates = ("a",)

    def __init__(self, activation: str = "tanh") -> None:
        if activation not in ACTIVATIONS:
            raise ConfigError(
                f"Elman(activation={activation!r}): {did_you_mean(str(activation), ACTIVATIONS)}"
            )
        self.activation = activation

    @property
    def torch_layer(self) -> str:  # type: ignore[override]
        """torch.nn.RNN with the same nonlinearity."""
        return f"rnn_{self.activation}"

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        return {"h": ACTIVATIONS[self.activation](x.a + r.a)}
