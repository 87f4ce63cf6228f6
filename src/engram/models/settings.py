"""Settings of models: their recurrent layers, and what each shape has beside.

They load without torch, for the command line's help; checks that need cells load them.
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


class RecurrentSettings(Settings):
    """What the recurrent layers of a model are made of."""

    cell: Annotated[str, AfterValidator(_known_cell)] = Field(
        "lstm", description="equations of one time step; 'engram info --cells' lists them"
    )
    hidden: int = Field(256, ge=1, description="hidden units of a layer, H")
    layers: int = Field(1, ge=1, description="stacked recurrent layers, L")
    dropout: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of each layer's outputs dropped in training"
    )
    dropout_input: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of the layers' inputs dropped in training"
    )
    variational: bool = Field(
        False, description="drop the same outputs at all steps of a window, not others at each"
    )
    weight_drop: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of recurrent weights dropped in training"
    )
    zoneout: Factors = Field(
        {},
        description="share of units that keep a state at a step in training, by state (c=0.5 "
        "h=0.05), or one number for all states",
        json_schema_extra={"metavar": "STATE=X"},
    )
    recurrent_dropout: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of candidates dropped at a step in training"
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
    engine: Literal["auto", "cpu", "reference", "torch"] = Field(
        "auto", description="what runs the cell; auto takes the fastest that can"
    )

    @field_validator("zoneout", mode="before")
    @classmethod
    def _of_every_state(cls, value: Any, given: ValidationInfo) -> Any:
        """One number means each state of the cell."""
        number = value[0] if isinstance(value, list) and len(value) == 1 else value
        try:
            share = float(number)
        except (TypeError, ValueError):
            return value
        if "cell" not in given.data:  # the fault is told of that
            return {}
        from engram.cells import make_cell

        return dict.fromkeys(make_cell(given.data["cell"]).states, share)

    def contradictions(self) -> list[str]:
        """What does not go together, a sentence each."""
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
    """What a model of whole sequences is made of."""

    bidirectional: bool = Field(True, description="read each sequence in both directions")
    pooling: Literal["last", "mean", "max", "attention"] = Field(
        "last", description="how the steps' outputs become one vector"
    )
    dropout_head: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of that vector dropped in training"
    )
    embedding: int = Field(
        0, ge=0, description="width of the vector that stands for a token; 0 takes --hidden"
    )
    embedding_scale: float = Field(
        0.1, gt=0.0, description="deviation of the embedding's initial values"
    )
    dropout_embedding: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of tokens whose embedding is dropped in training"
    )
    convolution: int = Field(
        0, ge=0, description="features of a convolution over time before the recurrent layers"
    )
    kernel: int = Field(5, ge=1, description="steps that the convolution looks at")
    stride: int = Field(1, ge=1, description="steps from one output of the convolution to the next")


class ModelSettings(RecurrentSettings):
    """What a token model is made of."""

    embedding: int = Field(
        0, ge=0, description="width of the vector that stands for a token; 0 takes --hidden"
    )
    tied: bool = Field(
        False, description="use the embedding as the head's weights too (needs --embedding 0)"
    )
    dropout_embedding: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of tokens whose embedding is dropped in training"
    )

    def contradictions(self) -> list[str]:
        """What does not go together, a sentence each."""
        faults = super().contradictions()
        if self.tied and self.embedding not in (0, self.hidden):
            faults.append(
                f"tied shares weights between embedding ({self.embedding} wide) and head "
                f"({self.hidden} wide); leave out --embedding, or --tied"
            )
        return faults


class TaggerSettings(RecurrentSettings):
    """What a model with a tag for each step is made of."""

    bidirectional: bool = Field(True, description="read each sequence in both directions")
    embedding: int = Field(100, ge=1, description="width of the vector that stands for a word")
    embedding_scale: float = Field(
        0.1, gt=0.0, description="deviation of the embeddings' initial values"
    )
    dropout_embedding: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of words whose embedding is dropped in training"
    )


class MultiHorizonSettings(RecurrentSettings):
    """Sizes and kinds of a forecaster."""

    hidden: int = Field(64, ge=1, description="hidden units of a layer, H")
    context: int = Field(8, ge=1, description="numbers that tell of the past to each step ahead")
    decoder: int = Field(32, ge=1, description="hidden units of what answers a step ahead")


class DecoderSettings(RecurrentSettings):
    """What writes the output is made of."""

    embedding: int = Field(
        0, ge=0, description="width of the vector that stands for a token; 0 takes --hidden"
    )
    attention: Literal["general", "additive", "dot", "scaled", "none"] = Field(
        "general",
        description="how the decoder compares its state with what was read; none: it sees only "
        "the start state",
    )
    attend: Literal["after", "before"] = Field(
        "after",
        description="look after the recurrent step (Luong; quick, as all steps of training run at "
        "once), or before it, with what was seen as an input (Bahdanau; step by step)",
    )
    input_feeding: bool = Field(
        False,
        description="what was seen after a step is an input of the next (Luong; step by step)",
    )

    def contradictions(self) -> list[str]:
        """What does not go together, a sentence each."""
        faults = super().contradictions()
        if self.attention == "none" and (self.attend == "before" or self.input_feeding):
            faults.append(
                "attention=none looks at nothing, and attend=before and input_feeding say what "
                "becomes of what was seen; leave them out, or choose an attention"
            )
        if self.attend == "before" and self.input_feeding:
            faults.append(
                "attend=before already brings what was seen into the step; leave out "
                "--input-feeding"
            )
        return faults


class EncoderDecoderSettings(DecoderSettings):
    """What a model that reads one sequence and writes another is made of."""

    bidirectional: bool = Field(True, description="read the input in both directions")

    def contradictions(self) -> list[str]:
        """What does not go together, a sentence each."""
        faults = super().contradictions()
        if self.attention in ("dot", "scaled") and self.bidirectional:
            faults.append(
                f"attention={self.attention} multiplies states of encoder ({2 * self.hidden} wide "
                f"in both directions) and decoder ({self.hidden}); take --attention general, or "
                "--no-bidirectional"
            )
        return faults


class CaptionerSettings(DecoderSettings):
    """What a model that writes about an image is made of."""

    filters: list[PositiveInt] = Field(
        [16, 32, 64],
        min_length=1,
        description="channels after each stage of convolution; each halves height and width",
        json_schema_extra={"metavar": "N"},
    )
    features: int = Field(
        128, ge=1, description="width of the vector that the start state is made of"
    )


class DecodingSettings(Settings):
    """How an output is found among all that could be written."""

    beam: int = Field(
        1, ge=1, description="hypotheses that are followed at once; 1 takes the likeliest token"
    )
    length_penalty: float = Field(
        1.0, ge=0.0, description="α: 0 favours short outputs, larger ones longer outputs"
    )
