"""Multi-horizon: many-to-many; each step predicts quantiles of the steps after it."""

import torch
from torch import Tensor, nn

from engram.models.many_to_many import State
from engram.models.recurrent import recurrent
from engram.models.settings import MultiHorizonSettings


class MultiHorizon(nn.Module):
    """Recurrent layers; from each of their steps, a context for each step ahead; and one small
    network that maps a context and the known inputs of its step to quantiles (Wen et al. 2017, "A
    Multi-Horizon Quantile Recurrent Forecaster").

    Before training all outputs are 0, so the model starts as the reference that it corrects.

    Attributes:
        margins: Added to each quantile, ``(Q,)``, to calibrate the coverage of intervals.

    Args:
        inputs: I, number of inputs per step.
        known: K, number of inputs per step that are known ahead.
        horizon: Number of steps ahead.
        quantiles: Q, number of quantiles.
        settings: Sizes and kinds.

    Raises:
        ConfigError: For conflicting settings.
    """

    margins: Tensor

    def __init__(
        self,
        inputs: int,
        known: int,
        horizon: int,
        quantiles: int,
        settings: MultiHorizonSettings,
    ) -> None:
        super().__init__()
        settings.require_consistent()
        self.horizon = horizon
        self.layers = recurrent(settings, inputs)
        self.head = nn.Linear(settings.hidden, horizon * settings.context)
        self.decoder = nn.Linear(settings.context + known, settings.decoder)
        self.quantiles = nn.Linear(settings.decoder, quantiles)
        self.register_buffer("margins", torch.zeros(quantiles))  # set after training
        nn.init.zeros_(self.quantiles.weight)
        nn.init.zeros_(self.quantiles.bias)

    def forward(
        self,
        inputs: Tensor,
        known: Tensor,
        lengths: Tensor | None = None,
        state: State | None = None,
    ) -> tuple[Tensor, State]:
        """Forecast from every step.

        Args:
            inputs: ``(T, B, I)``.
            known: ``(T, B, horizon, K)``.
            lengths: Valid steps of each row, ``(B,)``, or None for all.
            state: Initial states, or None for zero.

        Returns:
            ``(T, B, horizon, Q)``, and the final states.
        """
        output, after = self.layers(inputs, state, lengths=lengths)
        return self.ahead(output, known), after

    def ahead(self, output: Tensor, known: Tensor) -> Tensor:
        """Forecast from some steps.

        Args:
            output: Output of the recurrent layers, ``(…, H)``.
            known: ``(…, horizon, K)``.

        Returns:
            ``(…, horizon, Q)``.
        """
        contexts = self.head(output).unflatten(-1, (self.horizon, -1))
        hidden = torch.relu(self.decoder(torch.cat([contexts, known], dim=-1)))
        return self.quantiles(hidden) + self.margins
