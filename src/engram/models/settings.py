"""Settings of models: their recurrent layers, and what each model type adds.

They load without torch, for the command line's help; checks that need cells import them.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from engram.errors import did_you_mean
from engram.settings import Factors, Settings


def _known_cell(name: str) -> str:
    from engram.cells import CELLS

    if name not in CELLS:
        raise PydanticCustomError("cell", "{hint}", {"hint": did_you_mean(name, CELLS)})
    return name


BothDirections = Annotated[bool, Field(description="read each sequence in both directions")]
EmbeddingSize = Annotated[
    int, Field(ge=0, description="embedding size of a token; 0 means --hidden")
]
EmbeddingDropout = Annotated[
    float, Field(ge=0.0, lt=1.0, description="probability of dropping a token's embedding")
]
TopK = Annotated[
    int | None, Field(ge=1, description="sample among this number of most likely tokens only")
]
TopP = Annotated[
    float | None,
    Field(
        gt=0.0,
        le=1.0,
        description="sample among the most likely tokens that together have this probability",
    ),
]


class RecurrentSettings(Settings):
    """Settings of the recurrent layers of a model."""

    cell: Annotated[str, AfterValidator(_known_cell)] = Field(
        "lstm", description="equations of one time step; 'engram info --cells' lists them"
    )
    hidden: int = Field(256, ge=1, description="hidden size H, units per layer")
    layers: int = Field(1, ge=1, description="number of stacked recurrent layers, L")
    dropout: float = Field(
        0.0, ge=0.0, lt=1.0, description="dropout probability of each layer's outputs"
    )
    dropout_input: float = Field(
        0.0, ge=0.0, lt=1.0, description="dropout probability of the layers' inputs"
    )
    variational: bool = Field(
        False, description="use the same dropout mask at all steps of a window"
    )
    weight_drop: float = Field(
        0.0, ge=0.0, lt=1.0, description="dropout probability of recurrent weights"
    )
    zoneout: Factors = Field(
        {},
        description="zoneout: probability that a unit keeps its state at a step, by state (c=0.5 "
        "h=0.05), or one number for all states",
        json_schema_extra={"metavar": "STATE=X"},
    )
    recurrent_dropout: float = Field(
        0.0, ge=0.0, lt=1.0, description="dropout probability of candidates at each step"
    )
    residual: bool = Field(
        False,
        description="residual connections: add each layer's input to its outputs, from layer 2 on",
    )
    learn_initial_state: bool = Field(
        False, description="learn the initial state of documents instead of using zero"
    )
    init: Literal["uniform", "normal", "xavier", "orthogonal", "identity", "spectral", "sparse"] = (
        Field("orthogonal", description="initial values of recurrent weights")
    )
    init_scale: float | None = Field(
        None,
        gt=0.0,
        description="scale of --init: bound of uniform, standard deviation of normal, gain of "
        "xavier and orthogonal, diagonal of identity, spectral radius of spectral and sparse; "
        "default depends on --init",
    )
    forget_bias: float | None = Field(
        None, description="effective initial bias of the gate that keeps the state"
    )
    chrono: int | None = Field(
        None,
        ge=2,
        description="chrono initialisation: longest lag to remember, in steps, sets gate biases",
    )
    engine: Literal["auto", "cpu", "reference", "torch"] = Field(
        "auto", description="engine that runs the cell; auto picks the fastest that can"
    )

    @field_validator("zoneout", mode="before")
    @classmethod
    def _of_every_state(cls, value: Any, given: ValidationInfo) -> Any:
        """One number applies to each state of the cell."""
        number = value[0] if isinstance(value, list) and len(value) == 1 else value
        try:
            share = float(number)
        except (TypeError, ValueError):
            return value
        if "cell" not in given.data:  # the error is reported for the cell
            return {}
        from engram.cells import make_cell

        return dict.fromkeys(make_cell(given.data["cell"]).states, share)

    def contradictions(self) -> list[str]:
        """List conflicting settings, one sentence each."""
        from engram.cells import make_cell
        from engram.layers import masks
        from engram.layers.initial import obstacles

        faults = super().contradictions()
        cell = make_cell(self.cell)
        faults += obstacles(
            cell,
            self.init,
            scale=self.init_scale,
            forget_bias=self.forget_bias,
            chrono=self.chrono,
        )
        faults += masks.obstacles(cell, self.zoneout, self.recurrent_dropout)
        if self.weight_drop and not cell.recurrent:
            faults.append(
                f"weight_drop={self.weight_drop} drops recurrent weights, and {cell!r} has none; "
                "leave it out"
            )
        return faults


class ManyToOneSettings(RecurrentSettings):
    """Settings of a model of whole sequences."""

    bidirectional: BothDirections = True
    pooling: Literal["last", "mean", "max", "attention"] = Field(
        "last", description="how to reduce the outputs of all steps to one vector"
    )
    dropout_head: float = Field(
        0.0, ge=0.0, lt=1.0, description="dropout probability of the pooled vector"
    )
    embedding: EmbeddingSize = 0
    embedding_scale: float = Field(
        0.1, gt=0.0, description="standard deviation of the embedding's initial values"
    )
    dropout_embedding: EmbeddingDropout = 0.0
    convolution: int = Field(
        0, ge=0, description="features of a convolution over time before the recurrent layers"
    )
    kernel: int = Field(5, ge=1, description="kernel size of the convolution, in steps")
    stride: int = Field(1, ge=1, description="stride of the convolution, in steps")


class ModelSettings(RecurrentSettings):
    """Settings of a token model."""

    embedding: EmbeddingSize = 0
    tied: bool = Field(
        False, description="use the embedding as the head's weights too (needs --embedding 0)"
    )
    dropout_embedding: EmbeddingDropout = 0.0

    def contradictions(self) -> list[str]:
        """List conflicting settings, one sentence each."""
        faults = super().contradictions()
        if self.tied and self.embedding not in (0, self.hidden):
            faults.append(
                f"tied shares weights between embedding ({self.embedding} wide) and head "
                f"({self.hidden} wide); leave out --embedding, or --tied"
            )
        return faults


class TaggerSettings(RecurrentSettings):
    """Settings of a model that predicts a tag for each step."""

    bidirectional: BothDirections = True
    embedding: int = Field(100, ge=1, description="embedding size of a word")
    embedding_scale: float = Field(
        0.1, gt=0.0, description="standard deviation of the embeddings' initial values"
    )
    dropout_embedding: EmbeddingDropout = 0.0


class MultiHorizonSettings(RecurrentSettings):
    """Settings of a forecaster."""

    hidden: int = Field(64, ge=1, description="hidden size H, units per layer")
    context: int = Field(8, ge=1, description="size of the context vector for each step ahead")
    decoder: int = Field(32, ge=1, description="hidden units of the decoder for each step ahead")


class DecoderSettings(RecurrentSettings):
    """Settings of the decoder."""

    embedding: EmbeddingSize = 0
    attention: Literal["general", "additive", "dot", "scaled", "none"] = Field(
        "general",
        description="how the decoder scores its state against the input; none: it sees only "
        "the initial state",
    )
    attend: Literal["after", "before"] = Field(
        "after",
        description="attend after the recurrent step (Luong; fast: all training steps run at "
        "once), or before it, with the context as an input (Bahdanau; step by step)",
    )
    input_feeding: bool = Field(
        False,
        description="feed the attentional output of a step to the next one (Luong; step by step)",
    )

    def contradictions(self) -> list[str]:
        """List conflicting settings, one sentence each."""
        faults = super().contradictions()
        if self.attention == "none" and (self.attend == "before" or self.input_feeding):
            faults.append(
                "attend=before and input_feeding need attention, which is none; "
                "leave them out, or choose an attention"
            )
        if self.attend == "before" and self.input_feeding:
            faults.append(
                "attend=before already feeds the context into the step; leave out --input-feeding"
            )
        return faults


class EncoderDecoderSettings(DecoderSettings):
    """Settings of a sequence-to-sequence model."""

    bidirectional: bool = Field(True, description="read the input in both directions")

    def contradictions(self) -> list[str]:
        """List conflicting settings, one sentence each."""
        faults = super().contradictions()
        if self.attention in ("dot", "scaled") and self.bidirectional:
            faults.append(
                f"attention={self.attention} multiplies states of encoder ({2 * self.hidden} wide "
                f"in both directions) and decoder ({self.hidden}); use --attention general, or "
                "--no-bidirectional"
            )
        return faults


class CaptionerSettings(DecoderSettings):
    """Settings of a captioning model."""

    filters: list[PositiveInt] = Field(
        [16, 32, 64],
        min_length=1,
        description="output channels of each convolution stage; each halves height and width",
        json_schema_extra={"metavar": "N"},
    )
    features: int = Field(128, ge=1, description="size of the feature vector for the initial state")


class DecodingSettings(Settings):
    """Settings of decoding."""

    beam: int = Field(1, ge=1, description="beam width; 1 is greedy decoding")
    length_penalty: float = Field(
        1.0,
        ge=0.0,
        description="length penalty α: 0 favours short outputs, larger values longer ones",
    )
