"""Many-to-many, aligned, for sequences of values: one output per step."""

from collections.abc import Sequence

from torch import Tensor, nn

from engram.models.many_to_many import State
from engram.models.recurrent import recurrent
from engram.models.settings import RecurrentSettings


class Aligned(nn.Module):
    """Recurrent layers, and a head that reads every step; outputs do not see later steps.

    Args:
        inputs: F, number of values per step.
        outputs: O, number of outputs per step.
        settings: Sizes and kinds.

    Raises:
        ConfigError: For conflicting settings.
    """

    def __init__(self, inputs: int, outputs: int, settings: RecurrentSettings) -> None:
        super().__init__()
        settings.require_consistent()
        self.layers = recurrent(settings, inputs)
        self.head = nn.Linear(settings.hidden, outputs)

    def forward(
        self, inputs: Tensor, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Tensor, State]:
        """Compute the output of every step.

        Args:
            inputs: ``(T, B, F)``.
            lengths: Valid steps of each row, ``(B,)`` in 1…T, or None for all.

        Returns:
            ``(T, B, O)``, and the final states.

        Raises:
            ConfigError: For lengths that do not fit.
        """
        output, after = self.layers(inputs, lengths=lengths)
        return self.head(output), after
