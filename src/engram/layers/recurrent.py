"""Recurrent: a stack of layers, in one or both directions, that runs any cell over a sequence."""

from collections.abc import Callable, Mapping, Sequence
from typing import overload

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from engram.cells.base import Cell
from engram.engine import Choice, Weights, choose
from engram.errors import ConfigError
from engram.layers.arguments import (
    State,
    checked_input,
    checked_lengths,
    checked_reset,
    checked_state,
    checked_weights,
)
from engram.layers.initial import initialise, unconnected_entries, weight_shapes
from engram.layers.options import RecurrentOptions, shown
from engram.layers.packed import run_packed
from engram.layers.stack import Pass, run_stack
from engram.layers.stepping import can_step_quickly, quick_step


class Recurrent(nn.Module):
    """Run a cell over a sequence; torch.nn.LSTM's signature, conventions and parameter names.

    Args:
        cell: The equations of one step.
        input_size: I.
        hidden_size: H.
        num_layers: L, how many layers are stacked.
        bias: Whether gates have biases (an input and a recurrent one, as in torch).
        batch_first: Whether input and output are ``(B, T, ·)`` and not ``(T, B, ·)``.
        dropout: Probability with which outputs between layers are dropped while training.
        bidirectional: Whether a second direction runs from the end to the start.
        weight_drop: Probability with which each recurrent weight is dropped while training, by one
            mask for the whole sequence (DropConnect; Wan et al. 2013, Merity et al. 2018).
        zoneout: Probability in [0, 1) with which a unit keeps its state at a step while training
            (Krueger et al. 2017), for all states or by state, ``{"c": 0.5, "h": 0.05}``; otherwise
            states are mixed by their expected value. See `cells.Zoneout`.
        recurrent_dropout: Probability in [0, 1) with which the candidate of a unit is dropped at a
            step while training (Semeniuta et al. 2016); see `cells.RecurrentDropout`.
        dropout_input: Probability with which entries of the input are dropped while training.
        dropout_output: The same for the output, of the last layer; ``state`` is left whole.
        variational: Whether ``dropout``, ``dropout_input`` and ``dropout_output`` each draw one
            mask a row for all steps (Gal and Ghahramani 2016) and not one a step. A mask holds for
            one call: windows with a carried state, and calls of ``step()``, draw new ones.
        residual: Whether every layer but the first adds what comes from below to what it gives
            (He et al. 2016; between recurrent layers Prakash et al. 2016): layer l ≥ 1 hands on
            ``h + y``, its emitted state plus the output y of the layer below as it was before
            dropout; both are D·H wide. States and recordings stay the cell's own.
        learn_initial_state: Whether rows start from states that are learnt, as parameters
            ``initial_<state>`` ``(L·D, H)`` that begin at zero: where no state is given, and after
            each reset, as a sequence that starts in mid-row is one like any other.
        init: Initial values of weights: ``"uniform"`` (torch's), ``"normal"``, ``"xavier"``,
            ``"orthogonal"``, ``"identity"``, ``"spectral"`` or ``"sparse"``; see `layers.initial`.
        init_scale: What the initialisation is scaled by; None takes its own scale.
        forget_bias: Effective initial bias of the forget gate, or None for what ``init`` gives.
        chrono: Longest lag to remember, in steps, for chrono initialisation; None for none.
        engine: ``"auto"``, ``"cpu"`` (kernels made from the cell), ``"torch"`` (its fused layer) or
            ``"reference"``.
        device, dtype: Of the weights.

    Parameters are named as in torch: ``weight_ih_l0`` ``(G·H, I)``, ``weight_hh_l0``
    ``(G·H, R·H)``, ``bias_ih_l0`` and ``bias_hh_l0`` ``(G·H,)``, with ``_reverse`` for the second
    direction, and the cell's own per-unit weights as ``<name>_l0`` ``(H,)``.

    Each function in the list ``watchers`` is called with the `Pass` after each pass.

    Raises:
        ConfigError: For sizes, probabilities, names or engines that cannot work.

    Example:
        >>> import engram, torch
        >>> rnn = engram.Recurrent(engram.cells.LSTM(peepholes=True), 10, 16)
        >>> x = torch.randn(7, 3, 10)
        >>> output, state = rnn(x, lengths=[7, 2, 5])
        >>> output.shape
        torch.Size([7, 3, 16])
        >>> y, state = rnn.step(torch.randn(3, 10), state)
        >>> y.shape
        torch.Size([3, 16])
        >>> rnn.record(x)["layer0.f"].shape
        torch.Size([7, 3, 16])
    """

    cell: Cell
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    weight_drop: float
    zoneout: float | Mapping[str, float]
    recurrent_dropout: float
    dropout_input: float
    dropout_output: float
    variational: bool
    residual: bool
    learn_initial_state: bool
    init: str
    init_scale: float | None
    forget_bias: float | None
    chrono: int | None
    engine: str
    unconnected: Tensor | None
    weight_ih_l0: Tensor

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        weight_drop: float = 0.0,
        zoneout: float | Mapping[str, float] = 0.0,
        recurrent_dropout: float = 0.0,
        dropout_input: float = 0.0,
        dropout_output: float = 0.0,
        variational: bool = False,
        residual: bool = False,
        learn_initial_state: bool = False,
        init: str = "uniform",
        init_scale: float | None = None,
        forget_bias: float | None = None,
        chrono: int | None = None,
        engine: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        options = RecurrentOptions(
            cell=cell,
            input_size=input_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            weight_drop=weight_drop,
            zoneout=zoneout,
            recurrent_dropout=recurrent_dropout,
            dropout_input=dropout_input,
            dropout_output=dropout_output,
            variational=variational,
            residual=residual,
            learn_initial_state=learn_initial_state,
            init=init,
            init_scale=init_scale,
            forget_bias=forget_bias,
            chrono=chrono,
            engine=engine,
        )
        vars(self).update(vars(options))  # each an attribute of its own
        self.masking = options.masking()
        self.steps_quickly = can_step_quickly(self.masking.evaluation)
        directions = 2 if bidirectional else 1
        self.weight_shapes: dict[str, dict[str, tuple[int, ...]]] = {}  # by suffix and role
        for layer in range(num_layers):
            size_in = input_size if layer == 0 else directions * hidden_size
            for suffix in self.suffixes(layer):
                self.weight_shapes[suffix] = weight_shapes(cell, size_in, hidden_size, bias)
        shapes = {
            role + suffix: shape
            for suffix, own in self.weight_shapes.items()
            for role, shape in own.items()
        }
        if learn_initial_state:
            size = (directions * num_layers, hidden_size)
            shapes |= {f"initial_{name}": size for name in cell.states}
        for name, shape in shapes.items():
            empty = torch.empty(shape, device=device, dtype=dtype)
            self.register_parameter(name, nn.Parameter(empty))
        unconnected = unconnected_entries(cell, hidden_size, device)
        self.register_buffer("unconnected", unconnected, persistent=False)
        self.watchers: list[Callable[[Pass], None]] = []
        self.sees_steps = False  # whether every step is kept in the graph; see `unrolled`
        self.weight_names = [
            [role + suffix for role in own] for suffix, own in self.weight_shapes.items()
        ]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values of all weights again."""
        for suffix in self.weight_shapes:
            weights = self._parameters_of(suffix)
            initialise(
                self.cell,
                weights,
                self.hidden_size,
                self.init,
                scale=self.init_scale,
                forget_bias=self.forget_bias,
                chrono=self.chrono,
            )
            if self.unconnected is not None:
                weights["weight_hh"].data.masked_fill_(self.unconnected, 0.0)
        for value in self.learnt_states().values():
            nn.init.zeros_(value)

    @overload
    def forward(
        self,
        input: Tensor,
        state: State | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        reset: Tensor | None = None,
    ) -> tuple[Tensor, State]: ...
    @overload
    def forward(
        self,
        input: PackedSequence,
        state: State | None = None,
    ) -> tuple[PackedSequence, State]: ...
    def forward(
        self,
        input: Tensor | PackedSequence,
        state: State | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        reset: Tensor | None = None,
    ) -> tuple[Tensor | PackedSequence, State]:
        """Run over a sequence.

        Args:
            input: ``(T, B, I)``, or ``(B, T, I)`` with ``batch_first``, or ``(T, I)`` without a
                batch, or a PackedSequence.
            state: Initial states, ``(L·D, B, H)`` each: a tensor for a cell with one state, else a
                tuple in the cell's order. None means zero, or what was learnt.
            lengths: Valid steps of each row, ``(B,)`` in 1…T. Outputs past a row's length are zero,
                and its final state is the one at its last valid step.
            reset: Marks of sequence starts, bool, shaped like the input without features: the
                state before a marked step is zero, or what was learnt.

        Returns:
            Output, shaped like the input with ``D·H`` features, and the final states, shaped like
            the initial ones.

        Raises:
            ConfigError: For shapes, dtypes or lengths that do not fit; the text names them.
        """
        if isinstance(input, PackedSequence):
            if lengths is not None or reset is not None:
                raise ConfigError(
                    "a PackedSequence came with lengths= or reset=; pass a padded tensor for those"
                )
            return run_packed(self, input, state, batch_first=self.batch_first)
        passed, batched = self._run(input, state, lengths, reset)
        output, after = passed.output, passed.state
        if not batched:
            return output.squeeze(1), self._state_out(tuple(s.squeeze(1) for s in after))
        return output.transpose(0, 1) if self.batch_first else output, self._state_out(after)

    def step(self, input: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run one step of a stream.

        Args:
            input: ``(B, I)``, or ``(I,)`` without a batch.
            state: As in `forward`.

        Returns:
            Output ``(B, H)`` or ``(H,)``, and the states after the step.

        Raises:
            ConfigError: For a bidirectional layer, which needs the whole sequence.
        """
        if self.bidirectional:
            raise ConfigError(
                "step() runs one direction, and this layer is bidirectional: its second direction "
                "needs the end of the sequence; call the layer on the whole sequence"
            )
        if not (torch.compiler.is_compiling() or self.sees_steps):
            quick = quick_step(self, input, state)
            if quick is not None:
                return quick
        if input.dim() not in (1, 2):
            raise ConfigError(
                f"step() got an input of shape {tuple(input.shape)}; it takes (B, I) or (I,)"
            )
        time_axis = 1 if self.batch_first and input.dim() == 2 else 0
        output, after = self(input.unsqueeze(time_axis), state)
        return output.squeeze(time_axis), after

    def record(
        self,
        input: Tensor,
        state: State | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        reset: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Run over a sequence and keep what each gate and state did.

        Args:
            input, state, lengths, reset: As in `forward`, without a PackedSequence.

        Returns:
            ``(T, B, H)`` by name, time-major whatever ``batch_first`` says: ``layer0.f`` is the
            activation of gate f, ``layer0.c`` the state c after each step; the second direction is
            ``layer0_reverse.f``. Zero past a row's length; without gradients.
        """
        with torch.no_grad():
            passed, _ = self._run(input, state, lengths, reset, record=True)
        return {
            f"{layer}.{name}": value
            for layer, result in passed.results.items()
            for name, value in result.recording.items()
        }

    def flatten_parameters(self) -> None:
        """Do nothing; torch.nn.LSTM has it, so callers may expect it."""

    def extra_repr(self) -> str:
        """The settings that differ from their defaults, as in torch."""
        return shown(self)

    @property
    def running_cell(self) -> Cell:
        """The cell with what zoneout and recurrent dropout make of it, in training or not."""
        return self.masking.training if self.training else self.masking.evaluation

    def choice(self, *tensors: Tensor, record: bool = False) -> Choice:
        """The engine that runs this layer, on these tensors and its weights, and the reason."""
        return choose(
            self.running_cell,
            "reference" if self.sees_steps else self.engine,
            record=record,
            tensors=[*tensors, *self.parameters()],
        )

    def _run(
        self,
        input: Tensor,
        state: State | None,
        lengths: Tensor | Sequence[int] | None,
        reset: Tensor | None,
        *,
        record: bool = False,
    ) -> tuple[Pass, bool]:
        """Check and arrange the arguments, then run the stack; says whether there was a batch."""
        checked_input(input, self.input_size, self.batch_first, self.weight_ih_l0)
        reset = None if reset is None else checked_reset(reset, input)
        batched = input.dim() == 3
        if not batched:
            input = input.unsqueeze(1)
            reset = None if reset is None else reset.unsqueeze(1)
        elif self.batch_first:
            input = input.transpose(0, 1)
            reset = None if reset is None else reset.transpose(0, 1)
        row_lengths = None if lengths is None else checked_lengths(lengths, input)
        count = self.num_layers * (2 if self.bidirectional else 1)
        learnt = self.learnt_states()
        initial = checked_state(
            state, self.cell, count, self.hidden_size, input, batched, [*learnt.values()]
        )
        choice = self.choice(input, *initial, record=record)
        passed = run_stack(self, input, initial, row_lengths, reset, choice, record)
        for watch in self.watchers:
            watch(passed)
        return passed, batched

    def learnt_states(self) -> dict[str, Tensor]:
        """The states that rows start from, ``(L·D, H)`` each; empty where none is learnt."""
        names = self.cell.states if self.learn_initial_state else ()
        return {name: getattr(self, f"initial_{name}") for name in names}

    def suffixes(self, layer: int) -> list[str]:
        """How the parameters of a layer end, one for each direction."""
        return [f"_l{layer}"] + ([f"_l{layer}_reverse"] if self.bidirectional else [])

    def _parameters_of(self, suffix: str) -> dict[str, Tensor]:
        return {role: getattr(self, role + suffix) for role in self.weight_shapes[suffix]}

    def weights_of(self, suffix: str, x: Tensor) -> Weights:
        """What a layer and direction runs on over a sequence ``(T, B, ·)``, masks newly drawn."""
        parameters = self._parameters_of(suffix)
        checked_weights(parameters, self.weight_shapes[suffix], suffix)
        recurrent = parameters["weight_hh"]
        if self.unconnected is not None:
            recurrent = recurrent.masked_fill(self.unconnected, 0.0)
        if self.weight_drop > 0.0:
            recurrent = nn.functional.dropout(recurrent, self.weight_drop, self.training)
        return Weights(
            input=parameters["weight_ih"],
            recurrent=recurrent,
            input_bias=parameters.get("bias_ih"),
            recurrent_bias=parameters.get("bias_hh"),
            units={name: parameters[name] for name in self.cell.weights},
            masks=self.masking.draw(x, self.hidden_size) if self.training else {},
        )

    def _state_out(self, states: tuple[Tensor, ...]) -> State:
        return states[0] if len(states) == 1 else states
