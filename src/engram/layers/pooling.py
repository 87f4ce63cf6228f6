"""Pooling: reduce a sequence to one vector, for many-to-one models."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from engram.engine.sequence import valid_steps
from engram.errors import ConfigError, did_you_mean
from engram.layers.arguments import checked_lengths
from engram.layers.attention.selfattentive import SelfAttentivePooling


def last(output: Tensor, lengths: Tensor, bidirectional: bool) -> Tensor:
    """The output of each direction after it has seen the whole row.

    That is the forward half at the row's last valid step and the reverse half at its first step,
    where the reverse direction ends.

    Args:
        output: ``(T, B, F)``; with two directions, F consists of their halves.
        lengths: ``(B,)``.
        bidirectional: Whether there are two directions.
    """
    rows = torch.arange(output.shape[1], device=output.device)
    at_end = output[lengths - 1, rows]
    if not bidirectional:
        return at_end
    half = output.shape[2] // 2
    return torch.cat([at_end[:, :half], output[0, :, half:]], dim=1)


def mean(output: Tensor, lengths: Tensor, bidirectional: bool) -> Tensor:
    """The mean of the valid steps; arguments as in `last`."""
    outside = ~valid_steps(lengths, len(output)).unsqueeze(2)
    return output.masked_fill(outside, 0.0).sum(0) / lengths.unsqueeze(1)


def largest(output: Tensor, lengths: Tensor, bidirectional: bool) -> Tensor:
    """The largest value of each feature over the valid steps; arguments as in `last`."""
    outside = ~valid_steps(lengths, len(output)).unsqueeze(2)
    return output.masked_fill(outside, -torch.inf).amax(0)


POOLINGS: dict[str, Callable[[Tensor, Tensor, bool], Tensor]] = {
    "last": last,
    "mean": mean,
    "max": largest,
}


class Pooling(nn.Module):
    """Reduce the output of a recurrent layer to one vector per row, ``(T, B, F) -> (B, F)``.

    Args:
        kind: ``"last"``: the output of each direction after it has seen the whole row;
            ``"mean"`` or ``"max"`` over the valid steps; ``"attention"``: a mean with learnt
            weights (`SelfAttentivePooling` with one head).
        size: F.
        bidirectional: Whether the halves of F come from two directions.
        device, dtype: Device and dtype of the weights.

    Raises:
        ConfigError: For an unknown kind, or an odd number of features from two directions.
    """

    def __init__(
        self,
        kind: str,
        size: int,
        *,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        accepted = [*POOLINGS, "attention"]
        if kind not in accepted:
            raise ConfigError(f"pooling '{kind}' is not known: {did_you_mean(kind, accepted)}")
        if bidirectional and size % 2:
            raise ConfigError(
                f"size is {size}, and two directions give an even number of features; "
                "give 2·H, or set bidirectional=False"
            )
        self.kind, self.size, self.bidirectional = kind, size, bidirectional
        self.attention: SelfAttentivePooling | None = None
        if kind == "attention":
            self.attention = SelfAttentivePooling(size, device=device, dtype=dtype)

    def forward(
        self, output: Tensor, *, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Pool a batch of sequences.

        Args:
            output: ``(T, B, F)``.
            lengths: Valid steps of each row, ``(B,)`` in 1…T, or None for all.

        Returns:
            ``(B, F)``, and with ``"attention"`` the weights of the steps, ``(B, T)``, else None.

        Raises:
            ConfigError: For another shape, or lengths that do not fit.
        """
        if self.attention is not None:
            pooled, weights = self.attention(output, lengths=lengths)
            return pooled, weights[0]
        if output.dim() != 3 or output.shape[2] != self.size or 0 in output.shape:
            raise ConfigError(
                f"output has shape {tuple(output.shape)}; it takes (T, B, F) with F={self.size}"
            )
        steps, batch = output.shape[:2]
        if lengths is None:
            lengths = torch.full((batch,), steps, device=output.device)
        pool = POOLINGS[self.kind]
        return pool(output, checked_lengths(lengths, output), self.bidirectional), None
