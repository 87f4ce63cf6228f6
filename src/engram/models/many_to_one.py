"""Many-to-one: one output for a whole sequence."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from engram.layers import Pooling, TemporalConvolution
from engram.layers.dropout import RowDropout
from engram.models.many_to_many import drop_embeddings
from engram.models.recurrent import recurrent
from engram.models.settings import ManyToOneSettings


class ManyToOne(nn.Module):
    """Embedding or values, optional convolution, recurrent layers, pooling, head.

    Args:
        inputs: V, number of tokens, or F, number of values per step.
        outputs: O, number of outputs: class scores, or values.
        settings: Sizes and kinds.
        tokens: Whether steps are tokens.

    Raises:
        ConfigError: For conflicting settings.
    """

    by_token: ClassVar[set[str]] = {"embedding.weight"}

    def __init__(
        self, inputs: int, outputs: int, settings: ManyToOneSettings, *, tokens: bool
    ) -> None:
        super().__init__()
        settings.require_consistent()
        width = inputs
        self.embedding: nn.Embedding | None = None
        if tokens:
            width = settings.embedding or settings.hidden
            self.embedding = nn.Embedding(inputs, width)
            nn.init.normal_(self.embedding.weight, 0.0, settings.embedding_scale)
        self.dropout_embedding = settings.dropout_embedding
        self.convolution: TemporalConvolution | None = None
        if settings.convolution:
            self.convolution = TemporalConvolution(
                width,
                settings.convolution,
                settings.kernel,
                stride=settings.stride,
                padding="same" if settings.bidirectional else "causal",
            )
            width = settings.convolution
        self.layers = recurrent(settings, width, bidirectional=settings.bidirectional)
        features = settings.hidden * (2 if settings.bidirectional else 1)
        self.pooling = Pooling(settings.pooling, features, bidirectional=settings.bidirectional)
        self.dropout_head = RowDropout(settings.dropout_head)
        self.head = nn.Linear(features, outputs)

    def forward(
        self, inputs: Tensor, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Compute the outputs of a batch of sequences.

        Args:
            inputs: Tokens ``(T, B)`` int64, or values ``(T, B, F)``.
            lengths: Valid steps of each row, ``(B,)`` in 1…T, or None for all.

        Returns:
            ``(B, O)``, and with attention the weights of the steps, ``(B, T)``, else None.

        Raises:
            ConfigError: For lengths that do not fit.
        """
        x = inputs
        if self.embedding is not None:
            x = self.embedding(inputs)
            if self.training and self.dropout_embedding:
                vocabulary = self.embedding.num_embeddings
                x = drop_embeddings(x, inputs, vocabulary, self.dropout_embedding)
        if self.convolution is not None:
            x, lengths = self.convolution(x, lengths=lengths)
            x = x.relu()
        output, _ = self.layers(x, lengths=lengths)
        pooled, weights = self.pooling(output, lengths=lengths)
        return self.head(self.dropout_head(pooled)), weights
