"""Many-to-many, aligned: one output for each step of the input."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from engram.cells import CELLS, make_cell
from engram.errors import did_you_mean
from engram.layers import Recurrent
from engram.layers.initial import obstacles
from engram.settings import Settings

State = Tensor | tuple[Tensor, ...]


def _known_cell(name: str) -> str:
    if name not in CELLS:
        raise PydanticCustomError("cell", "{hint}", {"hint": did_you_mean(name, CELLS)})
    return name


class ModelSettings(Settings):
    """What a token model is made of."""

    cell: Annotated[str, AfterValidator(_known_cell)] = Field(
        "lstm", description="equations of one time step; 'engram info --cells' lists them"
    )
    hidden: int = Field(256, ge=1, description="hidden units of a layer, H")
    layers: int = Field(1, ge=1, description="stacked recurrent layers, L")
    embedding: int = Field(
        0, ge=0, description="width of the vector that stands for a token; 0 takes --hidden"
    )
    tied: bool = Field(
        False, description="use the embedding as the head's weights too (needs --embedding 0)"
    )
    dropout: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of each layer's outputs dropped in training"
    )
    dropout_input: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of the embedding's outputs dropped in training"
    )
    variational: bool = Field(
        False, description="drop the same outputs at all steps of a window, not others at each"
    )
    dropout_embedding: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of tokens whose embedding is dropped in training"
    )
    weight_drop: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of recurrent weights dropped in training"
    )
    residual: bool = Field(
        False, description="add to each layer's outputs, but the first's, those of the layer below"
    )
    learn_initial_state: bool = Field(
        False, description="learn the state from which documents start, in place of zero"
    )
    init: Literal["uniform", "normal", "xavier", "orthogonal", "identity", "spectral", "sparse"] = (
        Field("orthogonal", description="initial values of recurrent weights")
    )
    init_scale: float | None = Field(
        None,
        gt=0.0,
        description="what --init is scaled by: bound of uniform, deviation of normal, gain of "
        "xavier and orthogonal, diagonal of identity, spectral radius of spectral and sparse; "
        "default its own",
    )
    forget_bias: float | None = Field(
        None, description="effective initial bias of the gate that keeps the state"
    )
    chrono: int | None = Field(
        None,
        ge=2,
        description="longest lag to remember, in steps: biases of gates for lags up to it",
    )
    engine: Literal["auto", "reference", "torch"] = Field(
        "auto", description="what runs the cell; auto takes the fastest that can"
    )

    def contradictions(self) -> list[str]:
        """What does not go together, a sentence each."""
        faults = super().contradictions()
        cell = make_cell(self.cell)
        faults += obstacles(
            cell,
            self.init,
            scale=self.init_scale,
            forget_bias=self.forget_bias,
            chrono=self.chrono,
        )
        if self.weight_drop and not cell.recurrent:
            faults.append(
                f"weight_drop={self.weight_drop} drops recurrent weights, and {cell!r} has none; "
                "leave it out"
            )
        if self.tied and self.embedding not in (0, self.hidden):
            faults.append(
                f"tied shares weights between embedding ({self.embedding} wide) and head "
                f"({self.hidden} wide); leave out --embedding, or --tied"
            )
        return faults


class ManyToMany(nn.Module):
    """Tokens in, scores of every token out, at each step: embedding, recurrent layers, head.

    Args:
        vocabulary: V, how many tokens there are.
        settings: Sizes and kinds.

    Raises:
        ConfigError: For settings that contradict each other.
    """

    by_token: ClassVar[set[str]] = {"embedding.weight", "head.weight", "head.bias"}

    def __init__(self, vocabulary: int, settings: ModelSettings) -> None:
        super().__init__()
        settings.require_consistent()
        width = settings.embedding or settings.hidden
        self.embedding = nn.Embedding(vocabulary, width)
        self.layers = Recurrent(
            make_cell(settings.cell),
            width,
            settings.hidden,
            settings.layers,
            dropout=settings.dropout,
            weight_drop=settings.weight_drop,
            dropout_input=settings.dropout_input,
            dropout_output=settings.dropout,
            variational=settings.variational,
            residual=settings.residual,
            learn_initial_state=settings.learn_initial_state,
            init=settings.init,
            init_scale=settings.init_scale,
            forget_bias=settings.forget_bias,
            chrono=settings.chrono,
            engine=settings.engine,
        )
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
        """Score what follows each step.

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
    """Drop the vectors of whole tokens, the same ones at every step and in every row of a pass.

    Rows of the embedding are dropped with probability p, and the others scaled by 1/(1 - p) (Gal
    and Ghahramani 2016, "A Theoretically Grounded Application of Dropout in Recurrent Neural
    Networks"). One mask over the vocabulary, read where a token stands, does what dropping rows of
    the matrix would, and leaves a head that shares it alone.

    Args:
        vectors: ``(T, B, E)``.
        tokens: ``(T, B)`` int64.
        vocabulary: V.
        share: p.
    """
    mask = nn.functional.dropout(vectors.new_ones(vocabulary), share)
    return vectors * mask[tokens].unsqueeze(-1)


def parameter_count(model: nn.Module) -> int:
    """How many numbers a model learns; shared weights count once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def detached(state: State | None) -> State | None:
    """The same state, cut from the graph that made it: what truncation does."""
    if state is None:
        return None
    return state.detach() if isinstance(state, Tensor) else tuple(s.detach() for s in state)
