"""Many-to-many, aligned, for sequences that are read whole: one answer for each step."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from engram.models.many_to_many import State, drop_embeddings
from engram.models.settings import RecurrentSettings, recurrent


class AlignedSettings(RecurrentSettings):
    """What a model with one answer for each step is made of."""

    embedding: int = Field(
        0, ge=0, description="width of the vector that stands for a token; 0 takes --hidden"
    )
    embedding_scale: float = Field(
        0.1, gt=0.0, description="deviation of the embedding's initial values"
    )
    dropout_embedding: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of tokens whose embedding is dropped in training"
    )


class Aligned(nn.Module):
    """Embedding or values, recurrent layers, and a head that reads every step.

    Args:
        inputs: V, how many tokens there are, or F, how many values a step has.
        outputs: O, numbers of an answer.
        settings: Sizes and kinds.
        tokens: Whether steps are tokens.
        bidirectional: Whether an answer may depend on the steps after its own.

    Raises:
        ConfigError: For settings that contradict each other.
    """

    by_token: ClassVar[set[str]] = {"embedding.weight"}

    def __init__(
        self,
        inputs: int,
        outputs: int,
        settings: AlignedSettings,
        *,
        tokens: bool,
        bidirectional: bool = False,
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
        self.layers = recurrent(settings, width, bidirectional=bidirectional)
        self.head = nn.Linear(settings.hidden * (2 if bidirectional else 1), outputs)

    def forward(
        self,
        inputs: Tensor,
        lengths: Tensor | Sequence[int] | None = None,
        state: State | None = None,
    ) -> tuple[Tensor, State]:
        """Answer every step.

        Args:
            inputs: Tokens ``(T, B)`` int64, or values ``(T, B, F)``.
            lengths: Valid steps of each row, ``(B,)`` in 1…T, or None for all.
            state: As in `Recurrent.forward`.

        Returns:
            ``(T, B, O)``, and the final states.

        Raises:
            ConfigError: For lengths or states that do not fit.
        """
        x = inputs
        if self.embedding is not None:
            x = self.embedding(inputs)
            if self.training and self.dropout_embedding:
                vocabulary = self.embedding.num_embeddings
                x = drop_embeddings(x, inputs, vocabulary, self.dropout_embedding)
        output, after = self.layers(x, state, lengths=lengths)
        return self.head(output), after
