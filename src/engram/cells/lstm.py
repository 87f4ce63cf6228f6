"""Long short-term memory (Hochreiter, Schmidhuber 1997), its options and variants."""

from collections.abc import Callable, Mapping
from functools import reduce
from operator import add
from typing import Any, final

from engram.cells.base import Cell
from engram.cells.language import candidate, identity, mean, sigmoid, sqrt, tanh
from engram.errors import ConfigError, did_you_mean

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"tanh": tanh, "identity": identity}
_EPSILON = 1e-5


@final
class LSTM(Cell):
    """c' = f·c + i·g and h' = o·tanh(c') with i, f, o = σ(·), g = tanh(·): as in torch.nn.LSTM.

    By default it is the LSTM with forget gate (Gers, Schmidhuber, Cummins 2000). Gate order:
    input i, forget f, candidate g, output o, as in torch.nn.LSTM; a gate that an option removes is
    left out. The options are those studied by Greff et al. ("LSTM: A Search Space Odyssey", 2017),
    and layer normalisation.

    Args:
        peepholes: Gates see the cell state, unit by unit: the input and forget gates see the
            previous one, the output gate the new one (Gers, Schmidhuber 2000; as in Greff et al.).
        coupled: The forget gate is f = 1 - i, and has no weights of its own (Greff's CIFG).
        input_gate: False fixes i = 1.
        forget_gate: False fixes f = 1.
        output_gate: False fixes o = 1.
        input_activation: Activation of the candidate: ``"tanh"`` or ``"identity"``.
        output_activation: Activation of the cell state: ``"tanh"`` or ``"identity"``.
        full_gate_recurrence: The gate activations of the previous step feed the gates, but not the
            candidate; they are the states ``last_i``, ``last_f``, ``last_o``.
        layer_norm: Normalise the input contributions to all gates as one vector, the recurrent
            contributions as another, and the cell state before its activation as a third
            (Ba, Kiros, Hinton 2016, supplement, eq. 20 to 22), each with gains ``gain_…``; the
            biases after the norm are ``shift_…``.

    Raises:
        ConfigError: For conflicting or unknown options; the message lists all of them.
    """

    candidate = "g"

    def __init__(
        self,
        *,
        peepholes: bool = False,
        coupled: bool = False,
        input_gate: bool = True,
        forget_gate: bool = True,
        output_gate: bool = True,
        input_activation: str = "tanh",
        output_activation: str = "tanh",
        full_gate_recurrence: bool = False,
        layer_norm: bool = False,
    ) -> None:
        self.peepholes, self.coupled = peepholes, coupled
        self.input_gate, self.output_gate = input_gate, output_gate
        self._forget_gate = forget_gate  # forget_gate is the gate's name, as in every cell
        self.input_activation, self.output_activation = input_activation, output_activation
        self.full_gate_recurrence, self.layer_norm = full_gate_recurrence, layer_norm
        faults = self._faults()
        if faults:
            raise ConfigError(f"{self!r}: {'; '.join(faults)}")

    def _faults(self) -> list[str]:
        """List the conflicts between the options."""
        faults = []
        if self.coupled and not self.input_gate:
            faults.append(
                "coupled uses 1 - i as the forget gate, and input_gate=False removes i; "
                "use only one of them"
            )
        if self.coupled and not self._forget_gate:
            faults.append(
                "coupled makes the forget gate from the input gate, and forget_gate=False removes "
                "it; use only one of them"
            )
        if self.peepholes and not self._sigmoid_gates:
            faults.append("peepholes feed gates, and no gates are left; leave them out")
        if self.full_gate_recurrence and not self._sigmoid_gates:
            faults.append(
                "full_gate_recurrence connects gates, and no gates are left; leave it out"
            )
        for name in ("input_activation", "output_activation"):
            value = getattr(self, name)
            if value not in ACTIVATIONS:
                faults.append(f"{name}={value!r}: {did_you_mean(str(value), ACTIVATIONS)}")
        return faults

    @property
    def _sigmoid_gates(self) -> tuple[str, ...]:
        """The gates that have weights of their own."""
        there = {
            "i": self.input_gate,
            "f": self._forget_gate and not self.coupled,
            "o": self.output_gate,
        }
        return tuple(gate for gate, is_there in there.items() if is_there)

    @property
    def gates(self) -> tuple[str, ...]:  # type: ignore[override]
        """The gates among i, f, g, o that exist."""
        there = self._sigmoid_gates
        return tuple(gate for gate in "ifgo" if gate == "g" or gate in there)

    @property
    def states(self) -> tuple[str, ...]:  # type: ignore[override]
        """h and c, and with full gate recurrence the gates' last activations."""
        return ("h", "c", *self._last)

    @property
    def recurrent(self) -> tuple[str, ...]:  # type: ignore[override]
        """h, and with full gate recurrence the gates' last activations."""
        return ("h", *self._last)

    @property
    def unconnected(self) -> tuple[tuple[str, str], ...]:  # type: ignore[override]
        """The candidate does not see the gates' last activations."""
        return tuple(("g", state) for state in self._last)

    @property
    def _last(self) -> tuple[str, ...]:
        gates = self._sigmoid_gates if self.full_gate_recurrence else ()
        return tuple(f"last_{gate}" for gate in gates)

    @property
    def weights(self) -> tuple[str, ...]:  # type: ignore[override]
        """Peepholes p_i, p_f, p_o; gains and shifts of the norms."""
        peepholes = [f"p_{gate}" for gate in self._sigmoid_gates if self.peepholes]
        return (*peepholes, *self.initial_weights)

    @property
    def initial_weights(self) -> Mapping[str, float]:  # type: ignore[override]
        """Gains start at 1 and shifts at 0."""
        if not self.layer_norm:
            return {}
        gates = self.gates
        gains = [f"gain_{part}_{gate}" for part in "xr" for gate in gates]
        shifts = [f"shift_{gate}" for gate in gates]
        return dict.fromkeys([*gains, "gain_c"], 1.0) | dict.fromkeys([*shifts, "shift_c"], 0.0)

    @property
    def forget_gate(self) -> str | None:  # type: ignore[override]
        """f, if it has weights of its own."""
        return "f" if "f" in self.gates else None

    @property
    def write_gate(self) -> str | None:  # type: ignore[override]
        """i, if it is not also the forget gate."""
        return "i" if "i" in self.gates and not self.coupled else None

    @property
    def write_shift(self) -> str | None:  # type: ignore[override]
        """The shift of i after the norm."""
        return "shift_i" if self.layer_norm and self.write_gate else None

    @property
    def forget_shift(self) -> str | None:  # type: ignore[override]
        """The shift of f after the norm."""
        return "shift_f" if self.layer_norm and "f" in self.gates else None

    @property
    def torch_layer(self) -> str | None:  # type: ignore[override]
        """torch.nn.LSTM, if all options have their defaults."""
        return "lstm" if self == LSTM() else None

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        brought = self._brought(x, r, w)

        def opening(gate: str, memory: Any) -> Any:
            if gate not in brought:
                return 1
            if not self.peepholes:
                return sigmoid(brought[gate])
            return sigmoid(brought[gate] + getattr(w, f"p_{gate}") * memory)

        i = opening("i", s.c)
        f = 1 - i if self.coupled else opening("f", s.c)
        g = candidate(ACTIVATIONS[self.input_activation](brought["g"]))
        c = f * s.c + i * g
        o = opening("o", c)
        shown = w.gain_c * _normalised({"c": c})["c"] + w.shift_c if self.layer_norm else c
        h = o * ACTIVATIONS[self.output_activation](shown)
        opened = {"last_i": i, "last_f": f, "last_o": o}
        return {"h": h, "c": c, **{name: opened[name] for name in self._last}}

    def _brought(self, x: Any, r: Any, w: Any) -> dict[str, Any]:
        """The input and recurrent contributions to each gate, normalised with ``layer_norm``."""
        parts = [{gate: getattr(part, gate) for gate in self.gates} for part in (x, r)]
        if not self.layer_norm:
            return {gate: parts[0][gate] + parts[1][gate] for gate in self.gates}
        from_x, from_r = map(_normalised, parts)

        def weight(name: str) -> Any:
            return getattr(w, name)

        return {
            gate: weight(f"gain_x_{gate}") * from_x[gate]
            + weight(f"gain_r_{gate}") * from_r[gate]
            + weight(f"shift_{gate}")
            for gate in self.gates
        }


def _normalised(blocks: Mapping[str, Any]) -> dict[str, Any]:
    """Standardise all blocks together, over the units of all of them."""

    def mean_of_all(values: Mapping[str, Any]) -> Any:
        return mean(reduce(add, values.values())) * (1 / len(values))

    middle = mean_of_all(blocks)
    centred = {name: block - middle for name, block in blocks.items()}
    variance = mean_of_all({name: block * block for name, block in centred.items()})
    scale = 1 / sqrt(variance + _EPSILON)
    return {name: block * scale for name, block in centred.items()}


@final
class LSTM1997(Cell):
    """c' = c + i·γ(g) and h' = o·η(c'): the LSTM of Hochreiter and Schmidhuber (1997).

    A unit's state feeds back to itself with a weight of exactly 1, the constant error carousel, and
    there is no forgetting. γ(g) = 4σ(g) - 2 lies in (-2, 2) and η(c) = 2σ(c) - 1 in (-1, 1), as in
    the paper. Gates see the outputs h of all units. Gradients are exact; the paper truncates
    those that flow back through the gates and the candidate. Gate order: input i, candidate g,
    output o.
    """

    gates = ("i", "g", "o")
    states = ("h", "c")
    candidate = "g"

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """One time step; see `Cell.step`."""
        c = s.c + sigmoid(x.i + r.i) * candidate(4 * sigmoid(x.g + r.g) - 2)
        return {"h": sigmoid(x.o + r.o) * (2 * sigmoid(c) - 1), "c": c}
