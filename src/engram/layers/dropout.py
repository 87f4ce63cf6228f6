"""Dropout on sequences: one mask per step, or one mask for all steps."""

from torch import Tensor, nn

from engram.layers.arguments import checked_probabilities
from engram.layers.shard import drawn_by_row, is_sharded


def drop(
    x: Tensor, probability: float, training: bool, variational: bool = False, axis: int = 1
) -> Tensor:
    """Drop entries of a sequence while training, and scale the others by 1/(1 - p).

    Args:
        x: ``(T, B, F)``, or any shape whose first axis is time.
        probability: p, the probability of dropping an entry.
        training: Whether to drop at all.
        variational: Whether to use one mask ``(1, B, F)`` for all steps.
        axis: Axis of the rows.
    """
    if probability == 0.0 or not training:
        return x
    if not variational and not (is_sharded() and x.dim() > axis):
        return nn.functional.dropout(x, probability)
    shape = (1, *x.shape[1:]) if variational else tuple(x.shape)
    if x.dim() <= axis:  # one sequence, without rows
        return x * draw_mask(x.new_ones(shape), probability)
    mask = drawn_by_row(shape, axis, lambda whole: draw_mask(x.new_ones(whole), probability))
    return x * mask


def draw_mask(ones: Tensor, probability: float) -> Tensor:
    """Draw a mask: 0 with the given probability p, else 1/(1 - p); shaped like ``ones``."""
    return nn.functional.dropout(ones, probability)


class RowDropout(nn.Dropout):
    """Drop entries of vectors ``(B, F)`` like torch.nn.Dropout, each row independently."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop entries; ``input`` itself when not training."""
        return drop(input, self.p, self.training, axis=0)


class VariationalDropout(nn.Module):
    """Drop the same entries at every step of a sequence (Gal and Ghahramani 2016).

    A mask ``(1, B, F)`` is drawn once per call, separately for each row, and used at all steps, so
    a recurrent layer cannot average the noise out over time. A sequence that is split over several
    calls with a carried state, such as the windows of truncated backpropagation or the single steps
    of a stream, gets a new mask for each call.

    Args:
        probability: p, the probability of dropping an entry while training; the others are scaled
            by 1/(1 - p).
        batch_first: Whether sequences are ``(B, T, F)`` and not ``(T, B, F)``.

    Raises:
        ConfigError: For a probability outside 0…1.
    """

    def __init__(self, probability: float, *, batch_first: bool = False) -> None:
        super().__init__()
        checked_probabilities(probability=probability)
        self.probability, self.batch_first = float(probability), batch_first

    def forward(self, x: Tensor) -> Tensor:
        """Drop entries of a sequence.

        Args:
            x: ``(T, B, F)``, or ``(B, T, F)`` with ``batch_first``, or ``(T, F)`` without a batch.

        Returns:
            The same shape; ``x`` itself when not training.
        """
        if self.batch_first and x.dim() > 2:
            turned = x.transpose(0, 1)
            return drop(turned, self.probability, self.training, True).transpose(0, 1)
        return drop(x, self.probability, self.training, True)

    def extra_repr(self) -> str:
        """The probability, and the layout if it is not time-major."""
        return f"{self.probability}" + (", batch_first=True" if self.batch_first else "")
