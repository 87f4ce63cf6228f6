"""Tagger: many-to-many, aligned: scores of every tag at each step, read in both directions."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from engram.models.many_to_many import drop_embeddings
from engram.models.recurrent import recurrent
from engram.models.settings import TaggerSettings

_OTHERS = (25, 5)  # embedding sizes of a word's suffix and shape


class Tagger(nn.Module):
    """Embeddings or values, recurrent layers, and a head that reads every step.

    Args:
        inputs: Vocabulary sizes of words, suffixes and shapes; or F, values per step.
        outputs: O, number of tags.
        settings: Sizes and kinds.

    Raises:
        ConfigError: For conflicting settings.
    """

    by_token: ClassVar[set[str]] = {"embeddings.0.weight"}

    def __init__(self, inputs: Sequence[int] | int, outputs: int, settings: TaggerSettings) -> None:
        super().__init__()
        settings.require_consistent()
        self.embeddings = nn.ModuleList()
        width = 0
        if isinstance(inputs, int):
            width = inputs
        else:
            widths = (settings.embedding, *_OTHERS)
            for size, each in zip(inputs, widths, strict=True):
                table = nn.Embedding(size, each)
                nn.init.normal_(table.weight, 0.0, settings.embedding_scale)
                self.embeddings.append(table)
                width += each
        self.dropout_embedding = settings.dropout_embedding
        self.layers = recurrent(settings, width, bidirectional=settings.bidirectional)
        self.head = nn.Linear(settings.hidden * (2 if settings.bidirectional else 1), outputs)

    def forward(self, inputs: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """Score the tags of each step.

        Args:
            inputs: Indices of words, suffixes and shapes ``(T, B, 3)`` int64, or values
                ``(T, B, F)``.
            lengths: Valid steps of each row, ``(B,)`` in 1…T, or None for all.

        Returns:
            Scores before softmax, ``(T, B, O)``.

        Raises:
            ConfigError: For lengths that do not fit.
        """
        x = inputs
        if self.embeddings:
            vectors = [table(inputs[..., k]) for k, table in enumerate(self.embeddings)]
            if self.training and self.dropout_embedding:
                words = inputs[..., 0]
                size = int(self.embeddings[0].num_embeddings)  # type: ignore[arg-type]
                vectors[0] = drop_embeddings(vectors[0], words, size, self.dropout_embedding)
            x = torch.cat(vectors, dim=-1)
        output, _ = self.layers(x, lengths=lengths)
        scores: Tensor = self.head(output)
        return scores
