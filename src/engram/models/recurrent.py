"""The recurrent layers of a model, built from its settings."""

from engram.cells import make_cell
from engram.layers import Recurrent
from engram.models.settings import RecurrentSettings


def recurrent(
    settings: RecurrentSettings, inputs: int, *, bidirectional: bool = False
) -> Recurrent:
    """Build the layers that the settings describe.

    Args:
        settings: Cell, sizes, initial values, dropout.
        inputs: I, the width of their input.
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
