"""Options: what a recurrent layer is made with, checked in one place."""

from collections.abc import Mapping
from dataclasses import dataclass

from engram.cells.base import Cell, check_declaration
from engram.engine import choose
from engram.errors import ConfigError
from engram.layers.arguments import checked_probabilities, checked_sizes
from engram.layers.masks import Masking, masking

# Those that the text of a layer shows where they differ from their defaults, in this order.
_SHOWN = (
    *("num_layers", "bias", "batch_first", "dropout", "bidirectional", "engine"),
    *("dropout_input", "dropout_output", "variational", "residual", "learn_initial_state"),
    *("zoneout", "recurrent_dropout"),
)


@dataclass(frozen=True, kw_only=True)
class RecurrentOptions:
    """The arguments of `Recurrent`, which says what each one is, apart from those of its tensors.

    Raises:
        ConfigError: For a cell, sizes or probabilities that cannot work.
    """

    cell: Cell
    input_size: int
    hidden_size: int
    num_layers: int = 1
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    bidirectional: bool = False
    weight_drop: float = 0.0
    zoneout: float | Mapping[str, float] = 0.0
    recurrent_dropout: float = 0.0
    dropout_input: float = 0.0
    dropout_output: float = 0.0
    variational: bool = False
    residual: bool = False
    learn_initial_state: bool = False
    init: str = "uniform"
    init_scale: float | None = None
    forget_bias: float | None = None
    chrono: int | None = None
    engine: str = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.cell, Cell):
            raise ConfigError(
                f"cell is {self.cell!r}; it takes a Cell, such as engram.cells.LSTM() "
                "(with parentheses)"
            )
        check_declaration(self.cell, type(self.cell).__name__)
        checked_sizes(
            input_size=self.input_size, hidden_size=self.hidden_size, num_layers=self.num_layers
        )
        checked_probabilities(
            dropout=self.dropout,
            weight_drop=self.weight_drop,
            dropout_input=self.dropout_input,
            dropout_output=self.dropout_output,
        )
        for name in ("dropout", "dropout_input", "dropout_output"):
            object.__setattr__(self, name, float(getattr(self, name)))

    def masking(self) -> Masking:
        """The cells for training and evaluation.

        Raises:
            ConfigError: For zoneout and recurrent dropout that the cell cannot have, and where the
                engine cannot run one of them.
        """
        found = masking(self.cell, self.zoneout, self.recurrent_dropout)
        for each in (self.cell, found.training, found.evaluation):
            choose(each, self.engine)
        return found


def shown(layer: object) -> str:
    """Cell, sizes and the options that differ from their defaults, as torch shows a layer."""
    own = vars(layer)
    differing = (name for name in _SHOWN if own[name] != getattr(RecurrentOptions, name))
    return ", ".join(
        [
            repr(own["cell"]),
            str(own["input_size"]),
            str(own["hidden_size"]),
            *(f"{name}={own[name]}" for name in differing),
        ]
    )
