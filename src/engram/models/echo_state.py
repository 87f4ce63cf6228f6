"""Echo state network: a fixed reservoir and a trained linear readout."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engram.engine.sequence import valid_steps
from engram.errors import ConfigError, did_you_mean
from engram.layers.arguments import checked_lengths
from engram.layers.reservoir import Reservoir

SUMMARIES = ("steps", "mean", "last")


class EchoStateNetwork(nn.Module):
    """Reservoir and readout: y = W_out [u; h] + b_out (Jaeger 2001).

    Args:
        reservoir: The reservoir.
        outputs: O.
        sees_input: Whether the readout also sees the input u, in addition to the state h.
        summary: What the readout sees of a sequence: ``"steps"`` for one output per step,
            ``"mean"`` or ``"last"`` for one output from the mean or last of its steps.

    ``readout`` is a torch.nn.Linear, all zeros until it is fitted. Buffers ``end_state`` ``(N,)``
    and ``end_output`` ``(O,)`` store the end of the last series it was fitted on, to continue from
    there.

    Raises:
        ConfigError: For an unknown summary, or feedback of a size other than O.
    """

    end_state: Tensor
    end_output: Tensor

    def __init__(
        self, reservoir: Reservoir, outputs: int, *, sees_input: bool = True, summary: str = "steps"
    ) -> None:
        super().__init__()
        if summary not in SUMMARIES:
            raise ConfigError(f"summary is {summary!r}: {did_you_mean(str(summary), SUMMARIES)}")
        if reservoir.feedback_size not in (0, outputs):
            raise ConfigError(
                f"the reservoir has feedback_size={reservoir.feedback_size} and there are "
                f"{outputs} outputs; the outputs are fed back, so make them equal"
            )
        if reservoir.feedback_size and summary != "steps":
            raise ConfigError(
                f"summary is {summary!r} with feedback, which needs an output at each step; "
                "use summary='steps'"
            )
        self.reservoir, self.sees_input, self.summary = reservoir, sees_input, summary
        size = reservoir.units + (reservoir.input_size if sees_input else 0)
        dtype = reservoir.bias.dtype
        self.readout = nn.utils.skip_init(nn.Linear, size, outputs, dtype=dtype)
        for (
            weight
        ) in self.readout.parameters():  # zero until it is fitted; no random numbers are drawn
            nn.init.zeros_(weight)
        self.register_buffer("end_state", torch.zeros(reservoir.units, dtype=dtype))
        self.register_buffer("end_output", torch.zeros(outputs, dtype=dtype))

    def features(
        self,
        input: Tensor,
        state: Tensor | None = None,
        *,
        feedback: Tensor | None = None,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Compute the features that the readout sees.

        Args:
            input: ``(T, B, I)``.
            state: Initial state ``(B, N)``, or None for zero.
            feedback: ``(T, B, O)``, the previous step's output at each step; only with feedback.
            lengths: Valid steps of each row, ``(B,)``.

        Returns:
            ``(T, B, F)``, or ``(B, F)`` with a summary, and the final state.
        """
        states, after = self.reservoir(input, state, feedback=feedback, lengths=lengths)
        seen = torch.cat([input, states], dim=2) if self.sees_input else states
        if self.summary == "steps":
            return seen, after
        steps, batch = input.shape[:2]
        counts = (
            torch.full((batch,), steps, device=input.device)
            if lengths is None
            else checked_lengths(lengths, input)
        )
        if self.summary == "last":
            return seen[counts - 1, torch.arange(batch, device=input.device)], after
        seen = seen.masked_fill(~valid_steps(counts, steps).unsqueeze(2), 0.0)
        return seen.sum(dim=0) / counts.unsqueeze(1), after

    def forward(
        self,
        input: Tensor,
        state: Tensor | None = None,
        *,
        feedback: Tensor | None = None,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Compute the outputs of sequences.

        Args:
            input, state, feedback, lengths: As in `features`. If the reservoir has feedback and
                none is given, the network's own outputs are fed back, starting from zero.

        Returns:
            ``(T, B, O)``, or ``(B, O)`` with a summary, and the final state. Outputs past a row's
            length are meaningless.
        """
        if self.reservoir.feedback_size and feedback is None:
            if lengths is not None:
                raise ConfigError(
                    "lengths were given, but the network feeds back its outputs; run each row alone"
                )
            output = input.new_zeros(input.shape[1], self.readout.out_features)
            return self.free_run(input.shape[0], state, output, input)
        seen, after = self.features(input, state, feedback=feedback, lengths=lengths)
        return self.readout(seen), after

    def free_run(
        self, steps: int, state: Tensor | None, output: Tensor, input: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Run with outputs fed back.

        Args:
            steps: T.
            state: ``(B, N)``, or None for zero.
            output: The output of the previous step, ``(B, O)``.
            input: ``(T, B, I)``; None if the outputs themselves are the next inputs.

        Returns:
            Outputs ``(T, B, O)``, and the final state.
        """
        has_feedback = self.reservoir.feedback_size > 0
        outputs = []
        for step in range(steps):
            now = output if input is None else input[step]
            state = self.reservoir.step(now, state, feedback=output if has_feedback else None)
            seen = torch.cat([now, state], dim=1) if self.sees_input else state
            output = self.readout(seen)
            outputs.append(output)
        assert state is not None
        return torch.stack(outputs), state
