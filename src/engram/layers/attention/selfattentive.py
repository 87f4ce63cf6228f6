"""Self-attentive pooling (Zhou et al. 2016, Lin et al. 2017)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engram.layers.arguments import checked_sizes
from engram.layers.attention.memory import checked_values, weights_of


class SelfAttentivePooling(nn.Module):
    """Pool a sequence into one vector: means of its steps, weighted by learnt scores.

    Without hidden units, Zhou et al. 2016, "Attention-based bidirectional long short-term memory
    networks for relation classification", equations (9) to (11), for steps h_1 … h_T::

        e_t = wᵀ tanh(h_t)        α = softmax(e)        r = Σ_t α_t h_t

    (the paper then takes tanh(r)). With hidden units and several heads, Lin et al. 2017, "A
    structured self-attentive sentence embedding", equations (5) to (7)::

        A = softmax(W₂ tanh(W₁ h))        M = A h

    `redundancy` is the paper's penalty for heads that attend to the same steps.

    Args:
        size: F, features of a step.
        heads: N, number of means, each with its own weights.
        hidden_size: Number of tanh units; with 0, the tanh acts on the features themselves.
        device, dtype: Device and dtype of the weights.
    """

    def __init__(
        self,
        size: int,
        heads: int = 1,
        hidden_size: int = 0,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checked_sizes(size=size, heads=heads)
        if hidden_size != 0:
            checked_sizes(hidden_size=hidden_size)
        self.size, self.heads, self.output_size = size, heads, heads * size
        self.hidden: nn.Linear | None = None
        if hidden_size:
            self.hidden = nn.Linear(size, hidden_size, bias=False, device=device, dtype=dtype)
        width = hidden_size or size
        self.score = nn.Linear(width, heads, bias=False, device=device, dtype=dtype)

    def forward(
        self, values: Tensor, *, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Pool a batch of sequences.

        Args:
            values: ``(T, B, F)``.
            lengths: Valid steps of each row, ``(B,)`` in 1…T, or None for all.

        Returns:
            Means ``(B, N·F)``, one head after the other, and weights ``(N, B, T)``, which sum to 1
            and are exactly zero past a row's length.

        Raises:
            ConfigError: For another shape, or lengths that do not fit.
        """
        rows, outside = checked_values(values, self.size, lengths)
        hidden = torch.tanh(rows if self.hidden is None else self.hidden(rows))
        weights = weights_of(self.score(hidden).transpose(1, 2), outside)
        return torch.bmm(weights, rows).flatten(1), weights.transpose(0, 1)


def redundancy(weights: Tensor) -> Tensor:
    """Penalise heads that attend to the same steps, as a term of the loss (Lin et al. 2017).

    ‖A Aᵀ − I‖²_F, averaged over rows: zero if each head attends to a single step, each to a
    different one.

    Args:
        weights: ``(N, B, T)``, from `SelfAttentivePooling`.
    """
    rows = weights.transpose(0, 1)
    overlap = torch.bmm(rows, rows.transpose(1, 2))
    same = torch.eye(len(weights), device=weights.device, dtype=weights.dtype)
    return (overlap - same).square().sum(dim=(1, 2)).mean()
