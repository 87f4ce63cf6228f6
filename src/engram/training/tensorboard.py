"""TensorBoard: a training's metrics as event files, through the reporter protocol."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engram.errors import ConfigError
from engram.records import Evaluated, Logged
from engram.training.reporting import Plan, Reporter

FOLDER = "tensorboard"
"""Where event files lie in a run folder."""


class TensorBoard(Reporter):
    """Writes what ``metrics.jsonl`` holds as scalars: losses, rate, gradient norm, penalties.

    A training that is resumed goes on in the same folder; what an interrupted one wrote beyond its
    last checkpoint is hidden.

    Args:
        folder: Where event files go.

    Raises:
        ConfigError: If TensorBoard is not installed.

    Example:
        >>> import engram, tempfile
        >>> from engram.training.tensorboard import TensorBoard
        >>> model = engram.LanguageModel(hidden=4, lanes=2, steps=5, epochs=1, valid=0.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = model.fit("one two three " * 9, reporter=TensorBoard(folder))
    """

    def __init__(self, folder: Path | str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(
                "event files need TensorBoard; run pip install 'engram[tensorboard]'"
            ) from None
        self._make: Any = SummaryWriter
        self._folder = Path(folder)
        self._writer: Any = None

    def begin(self, plan: Plan) -> None:
        """Open a new event file."""
        beyond = plan.first + 1 if plan.first else None
        self._writer = self._make(str(self._folder), purge_step=beyond)

    def logged(self, logged: Logged) -> None:
        """Write a line of metrics."""
        scalars = {
            "loss": logged.loss,
            "rate": logged.rate,
            "gradient norm": logged.gradient_norm,
            "clipped": logged.clipped,
            "tokens per second": logged.tokens_per_second,
        } | {f"penalty {name}": value for name, value in logged.penalties.items()}
        self._write("train", scalars, logged.update)

    def evaluated(self, evaluated: Evaluated) -> None:
        """Write an evaluation."""
        self._write("valid", {"loss": evaluated.loss}, evaluated.update)

    def end(self, outcome: Any) -> None:
        """Close the event file."""
        self._writer.close()

    def _write(self, part: str, scalars: Mapping[str, float | None], update: int) -> None:
        for name, value in scalars.items():
            if value is None:  # not measured
                continue
            self._writer.add_scalar(f"{part}/{name}", value, update)
        self._writer.flush()
