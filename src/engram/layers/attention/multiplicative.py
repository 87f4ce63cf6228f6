"""Multiplicative attention (Luong, Pham, Manning 2015)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engram.errors import ConfigError, did_you_mean
from engram.layers.arguments import checked_sizes
from engram.layers.attention.memory import (
    Memory,
    as_memory,
    checked_queries,
    checked_values,
    look_up,
)

SCORES = ("dot", "general", "scaled")


class MultiplicativeAttention(nn.Module):
    """Score each value against a query by a product; return the weighted mean of the values.

    Luong et al. 2015, "Effective approaches to attention-based neural machine translation", section
    3.1; the scaled product of Vaswani et al. 2017, for query q and values v_1 … v_T::

        dot      e_j = qᵀ v_j
        general  e_j = qᵀ W v_j
        scaled   e_j = qᵀ v_j / √V
        α = softmax(e)        context = Σ_j α_j v_j

    Args:
        query_size: Q.
        value_size: V, equal to Q except for ``"general"``.
        score: ``"dot"``, ``"general"`` or ``"scaled"``.
        device, dtype: Device and dtype of the weights.

    Raises:
        ConfigError: For an unknown score, or sizes that it cannot multiply.
    """

    def __init__(
        self,
        query_size: int,
        value_size: int,
        score: str = "general",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checked_sizes(query_size=query_size, value_size=value_size)
        if score not in SCORES:
            raise ConfigError(f"score '{score}' is not known: {did_you_mean(score, SCORES)}")
        if score != "general" and query_size != value_size:
            raise ConfigError(
                f"score '{score}' multiplies queries and values as they are, and query_size is "
                f"{query_size}, value_size {value_size}; make them equal, or use score='general'"
            )
        self.query_size, self.value_size, self.score = query_size, value_size, score
        self.scale = 1.0 / math.sqrt(value_size) if score == "scaled" else 1.0
        self.key: nn.Linear | None = None
        if score == "general":
            self.key = nn.Linear(value_size, query_size, bias=False, device=device, dtype=dtype)

    def prepare(self, values: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Memory:
        """Precompute the keys of all values, for a decoder that queries step by step.

        Args:
            values: ``(T, B, V)``.
            lengths: Valid steps of each row, ``(B,)`` in 1…T, or None for all.

        Raises:
            ConfigError: For another shape, or lengths that do not fit.
        """
        rows, outside = checked_values(values, self.value_size, lengths)
        return Memory(rows if self.key is None else self.key(rows), rows, outside)

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
        scores = torch.bmm(asked, memory.keys.transpose(1, 2)) * self.scale
        return look_up(scores, memory, several)
