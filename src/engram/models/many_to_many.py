"""Many-to-many, aligned: one output for each step of the input."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from engram.models.recurrent import recurrent
from engram.models.settings import ModelSettings

State = Tensor | tuple[Tensor, ...]


class ManyToMany(nn.Module):
    """Language model: next-token scores at each step, from embedding, recurrent layers and head.

    Args:
        vocabulary: V, number of tokens.
        settings: Sizes and kinds.

    Raises:
        ConfigError: For conflicting settings.
    """

    by_token: ClassVar[set[str]] = {"embedding.weight", "head.weight", "head.bias"}

    def __init__(self, vocabulary: int, settings: ModelSettings) -> None:
        super().__init__()
        settings.require_consistent()
        width = settings.embedding or settings.hidden
        self.embedding = nn.Embedding(vocabulary, width)
        self.layers = recurrent(settings, width)
        self.dropout_embedding = settings.dropout_embedding
        self.head = nn.Linear(settings.hidden, vocabulary)
        if settings.tied:
            self.head.weight = self.embedding.weight

    def forward(
        self,
        inputs: Tensor,
        state: State | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        reset: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Score the next token at each step.

        Args:
            inputs: Tokens, ``(T, B)`` int64.
            state, lengths, reset: As in `Recurrent.forward`.

        Returns:
            Scores before softmax, ``(T, B, V)``, and the final states.
        """
        x = self.embedding(inputs)
        if self.training and self.dropout_embedding:
            x = drop_embeddings(x, inputs, self.embedding.num_embeddings, self.dropout_embedding)
        output, after = self.layers(x, state, lengths=lengths, reset=reset)
        return self.head(output), after


def drop_embeddings(vectors: Tensor, tokens: Tensor, vocabulary: int, share: float) -> Tensor:
    """Drop the embeddings of whole tokens, the same ones at every step and in every row of a pass.

    Rows of the embedding are dropped with probability p, and the others scaled by 1/(1 - p) (Gal
    and Ghahramani 2016, "A Theoretically Grounded Application of Dropout in Recurrent Neural
    Networks"). One mask over the vocabulary, indexed by the tokens, has the same effect as dropping
    rows of the matrix, and does not affect a head with tied weights.

    Args:
        vectors: ``(T, B, E)``.
        tokens: ``(T, B)`` int64.
        vocabulary: V.
        share: p.
    """
    mask = nn.functional.dropout(vectors.new_ones(vocabulary), share)
    return vectors * mask[tokens].unsqueeze(-1)


def parameter_count(model: nn.Module) -> int:
    """The number of trainable parameters; shared weights count once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def detached(state: State | None) -> State | None:
    """Detach a state from the graph, as truncated backpropagation does."""
    if state is None:
        return None
    return state.detach() if isinstance(state, Tensor) else tuple(s.detach() for s in state)
