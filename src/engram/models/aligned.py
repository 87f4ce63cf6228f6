"""Many-to-many, aligned, for sequences of values: one answer for each step."""

from collections.abc import Sequence

from torch import Tensor, nn

from engram.models.many_to_many import State
from engram.models.recurrent import recurrent
from engram.models.settings import RecurrentSettings


class Aligned(nn.Module):
    """Recurrent layers, and a head that reads every step; an answer sees no step after its own.

    Args:
        inputs: F, how many values a step has.
        outputs: O, numbers of an answer.
        settings: Sizes and kinds.

    Raises:
        ConfigError: For settings that contradict each other.
    """

    def __init__(self, inputs: int, outputs: int, settings: RecurrentSettings) -> None:
        super().__init__()
        settings.require_consistent()
        self.layers = recurrent(settings, inputs)
        self.head = nn.Linear(settings.hidden, outputs)

    def forward(
        self, inputs: Tensor, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Tensor, State]:
        """Answer every step.

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
