"""The memory that attention reads: values, their keys, and which of them are valid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engram.engine.sequence import valid_steps
from engram.errors import ConfigError
from engram.layers.arguments import checked_lengths


@dataclass(frozen=True)
class Memory:
    """A batch of sequences, prepared once for any number of queries.

    Attributes:
        keys: What queries are compared with, ``(B, T, K)``.
        values: The values that are averaged, ``(B, T, V)``; zero past a row's length.
        outside: ``(B, 1, T)`` bool, steps past a row's length; None if all steps are valid.
    """

    keys: Tensor
    values: Tensor
    outside: Tensor | None


def checked_values(
    values: Tensor, size: int, lengths: Tensor | Sequence[int] | None
) -> tuple[Tensor, Tensor | None]:
    """Turn values ``(T, B, V)`` into ``(B, T, V)``, zero past a row's length, and return a mask.

    Raises:
        ConfigError: For another shape, or lengths that do not fit.
    """
    if values.dim() != 3 or values.shape[2] != size or 0 in values.shape:
        raise ConfigError(
            f"values have shape {tuple(values.shape)}; they take (T, B, V) with V={size}"
        )
    rows = values.transpose(0, 1)
    if lengths is None:
        return rows, None
    outside = ~valid_steps(checked_lengths(lengths, values), values.shape[0]).T
    return rows.masked_fill(outside.unsqueeze(2), 0.0), outside.unsqueeze(1)


def as_memory(
    values: Tensor | Memory,
    lengths: Tensor | Sequence[int] | None,
    prepare: Callable[[Tensor, Tensor | Sequence[int] | None], Memory],
) -> Memory:
    """Return a prepared memory as it is, or prepare values.

    Raises:
        ConfigError: For lengths given with a memory, which has its own.
    """
    if not isinstance(values, Memory):
        return prepare(values, lengths)
    if lengths is not None:
        raise ConfigError(
            "lengths were given with a prepared memory, which has its own; leave them out"
        )
    return values


def checked_queries(queries: Tensor, size: int, memory: Memory) -> tuple[Tensor, bool]:
    """Turn queries ``(S, B, Q)`` or ``(B, Q)`` into ``(B, S, Q)``, and say whether S was an axis.

    Raises:
        ConfigError: For another shape, or a batch size that differs from the memory's.
    """
    batch = len(memory.values)
    if queries.dim() not in (2, 3) or tuple(queries.shape[-2:]) != (batch, size):
        raise ConfigError(
            f"queries have shape {tuple(queries.shape)}; they take (S, B, Q), or (B, Q) for one "
            f"step, with B={batch} and Q={size}"
        )
    several = queries.dim() == 3
    return (queries.transpose(0, 1) if several else queries.unsqueeze(1)), several


def weights_of(scores: Tensor, outside: Tensor | None) -> Tensor:
    """Softmax over the steps of scores ``(B, S, T)``; exactly zero past a row's length."""
    if outside is not None:
        scores = scores.masked_fill(outside, -torch.inf)
    return torch.softmax(scores, dim=2)


def look_up(scores: Tensor, memory: Memory, several: bool) -> tuple[Tensor, Tensor]:
    """Average the values, weighted by the softmax of scores ``(B, S, T)``.

    Returns:
        Context ``(S, B, V)`` and weights ``(S, B, T)``, or ``(B, V)`` and ``(B, T)`` for one query.
    """
    weights = weights_of(scores, memory.outside)
    context = torch.bmm(weights, memory.values)
    if not several:
        return context.squeeze(1), weights.squeeze(1)
    return context.transpose(0, 1), weights.transpose(0, 1)
