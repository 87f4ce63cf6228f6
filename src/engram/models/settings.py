"""Settings of a model's recurrent layers, which every shape of model has."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from engram.cells import CELLS, make_cell
from engram.errors import did_you_mean
from engram.layers import Recurrent, masks
from engram.layers.initial import obstacles
from engram.settings import Factors, Settings


def _known_cell(name: str) -> str:
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
        return dict.fromkeys(make_cell(given.data["cell"]).states, share)

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
        faults += masks.obstacles(cell, self.zoneout, self.recurrent_dropout)
        if self.weight_drop and not cell.recurrent:
            faults.append(
                f"weight_drop={self.weight_drop} drops recurrent weights, and {cell!r} has none; "
                "leave it out"
            )
        return faults


def recurrent(
    settings: RecurrentSettings, inputs: int, *, bidirectional: bool = False
) -> Recurrent:
    """Make the layers that the settings describe.

    Args:
        settings: Cell, sizes, initial values, dropout.
        inputs: I, the width of what they read.
        bidirectional: Read in both directions; outputs are then ``2·H`` wide.
    """
    return Recurrent(
        make_cell(settings.cell),
        inputs,
        settings.hidden,
        settings.layers,
        bidirectional=bidirectional,
        dropout=settings.dropout,
        weight_drop=settings.weight_drop,
        zoneout=settings.zoneout,
        recurrent_dropout=settings.recurrent_dropout,
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
