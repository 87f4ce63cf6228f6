"""Additive attention (Bahdanau, Cho, Bengio 2015)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engram.layers.arguments import checked_sizes
from engram.layers.attention.memory import (
    Memory,
    as_memory,
    checked_queries,
    checked_values,
    look_up,
)


class AdditiveAttention(nn.Module):
    """Score each value against a query through a layer of tanh units; return the weighted mean.

    Bahdanau et al. 2015, "Neural machine translation by jointly learning to align and translate",
    equations (5), (6) and appendix A.1.2, for query q and values v_1 … v_T::

        e_j = aᵀ tanh(W q + U v_j + b)        α = softmax(e)        context = Σ_j α_j v_j

    Args:
        query_size: Q.
        value_size: V.
        hidden_size: K, tanh units.
        device, dtype: Device and dtype of the weights.
    """

    def __init__(
        self,
        query_size: int,
        value_size: int,
        hidden_size: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checked_sizes(query_size=query_size, value_size=value_size, hidden_size=hidden_size)
        self.query_size, self.value_size, self.hidden_size = query_size, value_size, hidden_size
        self.query = nn.Linear(query_size, hidden_size, bias=False, device=device, dtype=dtype)
        self.key = nn.Linear(value_size, hidden_size, device=device, dtype=dtype)
        self.score = nn.Linear(hidden_size, 1, bias=False, device=device, dtype=dtype)

    def prepare(self, values: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Memory:
        """Precompute the keys of all values, for a decoder that queries step by step.

        Args:
            values: ``(T, B, V)``.
            lengths: Valid steps of each row, ``(B,)`` in 1…T, or None for all.

        Raises:
            ConfigError: For another shape, or lengths that do not fit.
        """
        rows, outside = checked_values(values, self.value_size, lengths)
        return Memory(self.key(rows), rows, outside)

    def forward(
        self,
        queries: Tensor,
        values: Tensor | Memory,
        *,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend to a sequence.

        Args:
            queries: ``(S, B, Q)``, or ``(B, Q)`` for a single step.
            values: ``(T, B, V)``, or the result of `prepare`.
            lengths: As in `prepare`; for values that are not prepared.

        Returns:
            Context ``(S, B, V)`` and weights ``(S, B, T)``, or ``(B, V)`` and ``(B, T)`` for one
            query. Weights sum to 1 and are exactly zero past a row's length.

        Raises:
            ConfigError: For shapes or lengths that do not fit.
        """
        memory = as_memory(values, lengths, self.prepare)
        asked, several = checked_queries(queries, self.query_size, memory)
        hidden = torch.tanh(self.query(asked).unsqueeze(2) + memory.keys.unsqueeze(1))
        return look_up(self.score(hidden).squeeze(3), memory, several)
