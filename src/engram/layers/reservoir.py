"""Reservoir: a recurrent layer with fixed random weights (Jaeger 2001)."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, final
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from engram.cells.base import Cell
from engram.cells.language import tanh
from engram.engine import Weights, choose
from engram.engine import torch_internals as internals
from engram.engine.sequence import valid_steps
from engram.errors import ConfigError
from engram.layers.arguments import checked_input, checked_lengths
from engram.layers.reservoir_weights import make_weights
from engram.layers.spectrum import spectral_radius

if TYPE_CHECKING:
    from engram.engine.cpu.runtime.sparse import SparseCell

_DTYPES = (torch.float32, torch.float64)


@final
class _LeakyElman(Cell):
    """h' = (1 - a) h + a tanh(x + r), with one leak rate per unit."""

    gates = ("a",)
    weights = ("leak",)

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        return {"h": (1 - w.leak) * s.h + w.leak * tanh(x.a + r.a)}


_CELL = _LeakyElman()


class Reservoir(nn.Module):
    """The reservoir of an echo state network: h' = (1 - a) h + a tanh(W_in u + W h + W_fb y + b).

    u is the input, y the feedback (the output of the previous step), a the leak rate. Jaeger 2001,
    "The echo state approach to analysing and training recurrent neural networks"; with the leak as
    in Lukoševičius 2012, "A practical guide to applying echo state networks", equations 2 to 4.

    Args:
        input_size: I.
        units: N.
        spectral_radius: Spectral radius that W is scaled to; default 0.9. A given W is only scaled
            if this is given too.
        input_scaling: W_in is drawn uniformly from ± this: one number, or one per feature.
        bias_scaling: b is drawn uniformly from ± this.
        leak: Leak rate a, above 0 and at most 1: one number, or one per unit.
        density: Probability that a weight of W is non-zero; these are drawn from N(0, 1).
        feedback_size: O, number of outputs that are fed back; 0 for none.
        feedback_scaling: W_fb is drawn uniformly from ± this.
        seed: Seed of all random weights, or a generator to draw from.
        input_weights: W_in ``(N, I)``, instead of a random one.
        recurrent_weights: W ``(N, N)``.
        feedback_weights: W_fb ``(N, O)``.
        bias: b ``(N,)``.
        engine: ``"auto"``, ``"cpu"`` (kernels) or ``"reference"`` (a plain loop in torch).
        dtype: dtype of weights and states: float64 or float32.

    The weights are buffers with those four names, and ``leak`` ``(N,)``; there are no parameters.
    Gradients reach the input, the feedback and the initial state.

    Raises:
        ConfigError: For invalid settings, shapes that do not fit, and a spectral radius that cannot
            be reached.

    Example:
        >>> import engram, torch
        >>> reservoir = engram.Reservoir(2, 50, spectral_radius=0.9, leak=0.5)
        >>> states, last = reservoir(torch.randn(7, 3, 2, dtype=torch.float64))
        >>> states.shape, list(reservoir.parameters())
        (torch.Size([7, 3, 50]), [])
    """

    input_weights: Tensor
    recurrent_weights: Tensor
    feedback_weights: Tensor
    bias: Tensor
    leak: Tensor

    def __init__(
        self,
        input_size: int,
        units: int,
        *,
        spectral_radius: float | None = None,
        input_scaling: float | Sequence[float] = 1.0,
        bias_scaling: float = 0.0,
        leak: float | Sequence[float] = 1.0,
        density: float = 0.1,
        feedback_size: int = 0,
        feedback_scaling: float = 1.0,
        seed: int | torch.Generator = 0,
        input_weights: Any = None,
        recurrent_weights: Any = None,
        feedback_weights: Any = None,
        bias: Any = None,
        engine: str = "auto",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        if dtype not in _DTYPES:
            raise ConfigError(f"dtype is {dtype}; it takes torch.float64 or torch.float32")
        choose(_CELL, engine)
        weights = make_weights(
            input_size,
            units,
            feedback_size,
            spectral_radius=spectral_radius,
            input_scaling=input_scaling,
            bias_scaling=bias_scaling,
            feedback_scaling=feedback_scaling,
            leak=leak,
            density=density,
            seed=seed,
            given={
                "input_weights": input_weights,
                "recurrent_weights": recurrent_weights,
                "feedback_weights": feedback_weights,
                "bias": bias,
            },
        )
        self.input_size, self.units, self.feedback_size = input_size, units, feedback_size
        self.engine = engine
        for name, value in weights.items():
            self.register_buffer(name, value.to(dtype))

    @property
    def spectral_radius(self) -> float:
        """The spectral radius of the current W, computed on each access."""
        return spectral_radius(self.recurrent_weights.cpu().double().numpy())

    @property
    def density(self) -> float:
        """The fraction of W's weights that are not zero."""
        return self._prepared().density

    def forward(
        self,
        input: Tensor,
        state: Tensor | None = None,
        *,
        feedback: Tensor | None = None,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run the reservoir over a sequence.

        Args:
            input: ``(T, B, I)``, or ``(T, I)`` without a batch.
            state: Initial state, ``(B, N)`` or ``(N,)``; None means zero.
            feedback: The feedback at each step, ``(T, B, O)`` or ``(T, O)``: for teacher forcing,
                the targets delayed by one step.
            lengths: Valid steps of each row, ``(B,)`` in 1…T. States past a row's length are zero,
                and its final state is the one at its last valid step.

        Returns:
            The state after each step, ``(T, B, N)`` or ``(T, N)``, and the final one, shaped like
            the initial one.

        Raises:
            ConfigError: For shapes, dtypes or lengths that do not fit.
        """
        checked_input(input, self.input_size, False, self.input_weights)
        joined = self._joined(input, feedback)
        batched = input.dim() == 3
        initial = self._checked_state(input, state)
        if not batched:
            joined, initial = joined.unsqueeze(1), initial.unsqueeze(0)
        row_lengths = None if lengths is None else checked_lengths(lengths, joined)
        prepared = self._prepared()
        if prepared.runs_sparse(joined, initial):
            states, last = _run_sparse(prepared.sparse, joined, initial, row_lengths)
        else:
            choice = choose(_CELL, self.engine, tensors=[joined, initial, *self.buffers()])
            result = choice.run(
                _CELL, joined, self._prepared().weights, {"h": initial}, lengths=row_lengths
            )
            states, last = result.output, result.state["h"]
        return (states, last) if batched else (states.squeeze(1), last.squeeze(0))

    def step(
        self, input: Tensor, state: Tensor | None = None, *, feedback: Tensor | None = None
    ) -> Tensor:
        """Run one step of a stream.

        Args:
            input: ``(B, I)`` or ``(I,)``.
            state: The previous state, ``(B, N)`` or ``(N,)``; None means zero.
            feedback: ``(B, O)`` or ``(O,)``.

        Returns:
            The new state, shaped like the previous one.

        Raises:
            ConfigError: For shapes or dtypes that do not fit.
        """
        if input.dim() not in (1, 2):
            raise ConfigError(
                f"step() got an input of shape {tuple(input.shape)}; it takes (B, I) or (I,)"
            )
        if state is None:
            state = input.new_zeros(*input.shape[:-1], self.units)
        prepared = self._prepared()
        if prepared.fits(input, state, feedback) and prepared.runs_sparse(input, state):
            joined = input if feedback is None else torch.cat([input, feedback], dim=-1)
            joined, state = joined.contiguous().resolve_neg(), state.contiguous().resolve_neg()
            return prepared.sparse.step(joined, state)
        fed_back = None if feedback is None else feedback.unsqueeze(0)
        return self(input.unsqueeze(0), state, feedback=fed_back)[1]

    def extra_repr(self) -> str:
        """The sizes, as in torch."""
        shown = f"{self.input_size}, {self.units}"
        return f"{shown}, feedback_size={self.feedback_size}" if self.feedback_size else shown

    def _joined(self, input: Tensor, feedback: Tensor | None) -> Tensor:
        """Concatenate input and feedback, ``(…, I + O)``."""
        if not self.feedback_size:
            if feedback is not None:
                raise ConfigError("feedback was given; this reservoir has feedback_size=0")
            return input
        expected = (*input.shape[:-1], self.feedback_size)
        if feedback is None or feedback.shape != expected:
            found = "missing" if feedback is None else f"of shape {tuple(feedback.shape)}"
            raise ConfigError(f"feedback is {found}; this reservoir takes {expected}")
        return torch.cat([input, feedback.to(input)], dim=-1)

    def _checked_state(self, input: Tensor, state: Tensor | None) -> Tensor:
        """The initial state, for an input ``(T, B, I)`` or ``(T, I)``."""
        expected = (*input.shape[1:-1], self.units)
        if state is None:
            return input.new_zeros(expected)
        if state.shape != expected or state.dtype != input.dtype:
            raise ConfigError(
                f"state has shape {tuple(state.shape)} and {state.dtype}; "
                f"it takes {expected} and {input.dtype}"
            )
        return state

    def _prepared(self) -> "_Prepared":
        known = _known.get(self)
        if known is None or not known.is_of(self):
            known = _known[self] = _Prepared(self)
        return known


class _Prepared:
    """What is derived once from a reservoir's weights.

    Attributes:
        weights: W_in and W_fb side by side, W, the bias and the leak.
        density: Fraction of W's weights that are not zero.
    """

    def __init__(self, reservoir: Reservoir) -> None:
        self._made_of = [(n, each, each._version) for n, each in reservoir.named_buffers()]
        joined = torch.cat([reservoir.input_weights, reservoir.feedback_weights], dim=1)
        recurrent = reservoir.recurrent_weights
        units = {"leak": reservoir.leak}
        self.weights = Weights(joined, recurrent, reservoir.bias, units=units)
        self.density = int(torch.count_nonzero(recurrent)) / recurrent.numel()
        self._sizes = reservoir.input_size, reservoir.units, reservoir.feedback_size
        self._dtype = recurrent.dtype
        self._has_kernels = (
            reservoir.engine != "reference" and recurrent.is_cpu and self._dtype in _DTYPES
        )

    def is_of(self, reservoir: Reservoir) -> bool:
        """Whether the reservoir still has the weights that this was derived from."""
        now = reservoir._buffers
        for name, each, version in self._made_of:
            if now[name] is not each or each._version != version:
                return False
        return True

    def fits(self, input: Tensor, state: Tensor, feedback: Tensor | None) -> bool:
        """Whether the arguments of a step have the right shapes."""
        inputs, units, outputs = self._sizes
        shape = input.shape
        if shape[-1] != inputs or state.shape != (*shape[:-1], units):
            return False
        if feedback is None:
            return outputs == 0
        return feedback.shape == (*shape[:-1], outputs) and feedback.dtype is self._dtype

    def runs_sparse(self, input: Tensor, state: Tensor) -> bool:
        """Whether the sparse kernels, which have no gradient, can run this."""
        if (
            not self._has_kernels
            or not (input.is_cpu and state.is_cpu)
            or not (input.dtype is state.dtype is self._dtype)
            or (torch.is_grad_enabled() and (input.requires_grad or state.requires_grad))
            or torch.compiler.is_compiling()
            or internals.transforms_active()
            or internals.forward_mode._current_level >= 0
        ):
            return False
        from engram.engine.cpu.runtime.sparse import worth_it

        return worth_it(self.density, state.numel() // self._sizes[1])

    @cached_property
    def sparse(self) -> "SparseCell":
        """Weights in the layout of the sparse kernels."""
        from engram.engine.cpu.runtime.sparse import SparseCell

        return SparseCell(_CELL, self.weights)


def _run_sparse(
    cell: "SparseCell", x: Tensor, initial: Tensor, lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """States ``(T, B, N)``, zero past a row's length, and the final ones ``(B, N)``."""
    steps, batch, _ = x.shape
    with torch.no_grad():
        states = cell.run(x, initial, lengths)
        if lengths is None:
            return states, states[-1].clone()
        last = states[lengths - 1, torch.arange(batch)]
        return states.masked_fill_(~valid_steps(lengths, steps).unsqueeze(2), 0.0), last


# stored outside the reservoirs, so that they can be copied and pickled
_known: "WeakKeyDictionary[Reservoir, _Prepared]" = WeakKeyDictionary()
