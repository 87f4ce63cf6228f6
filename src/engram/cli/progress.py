"""How a training is shown: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from engram.records import Evaluated, Logged
from engram.training.reporting import Plan, Prepared, Reporter

_SECONDS_BETWEEN_LINES = 5.0


def make_reporter(unit: str = "tokens", loss_unit: str = "nats") -> Reporter:
    """A bar where standard output is a terminal, else plain lines; units are those of the data."""
    kind = BarReporter if sys.stdout.isatty() else LineReporter
    return kind(unit, loss_unit)


class LineReporter(Reporter):
    """A line for what was logged, at most one every few seconds, and one for each evaluation."""

    def __init__(self, unit: str, loss_unit: str = "nats") -> None:
        self._unit, self._loss_unit = unit, loss_unit
        self._shown = -_SECONDS_BETWEEN_LINES
        self._started = time.monotonic()
        self._plan: Plan | None = None

    def prepared(self, prepared: Prepared) -> None:
        """Print what was read."""
        self._unit, self._loss_unit = prepared.unit, prepared.loss_unit
        _print_prepared(prepared)

    def begin(self, plan: Plan) -> None:
        """Remember the plan, for the time left."""
        self._plan, self._started = plan, time.monotonic()

    def notice(self, text: str) -> None:
        """Print it."""
        print(f"note: {text}", flush=True)

    def logged(self, logged: Logged) -> None:
        """Print it, unless a line was printed just now."""
        now = time.monotonic()
        if now - self._shown >= _SECONDS_BETWEEN_LINES:
            self._shown = now
            left = _clock(self._seconds_left(logged.update, now))
            print(f"{describe(logged, self._unit)}  left {left}", flush=True)

    def evaluated(self, evaluated: Evaluated) -> None:
        """Print it."""
        print(describe_evaluation(evaluated, self._loss_unit), flush=True)

    def _seconds_left(self, update: int, now: float) -> float:
        if self._plan is None or update <= self._plan.first:
            return 0.0
        each = (now - self._started) / (update - self._plan.first)
        return each * (self._plan.updates - update)


class BarReporter(Reporter):
    """A progress bar, with a line above it for each evaluation."""

    def __init__(self, unit: str, loss_unit: str = "nats") -> None:
        self._unit, self._loss_unit = unit, loss_unit
        self._console = Console(highlight=False)
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[text]}  left"),
            TimeRemainingColumn(),
            console=self._console,
            refresh_per_second=4,
        )
        self._task: Any = None
        self._per_epoch = 1

    def prepared(self, prepared: Prepared) -> None:
        """Print what was read."""
        self._unit, self._loss_unit = prepared.unit, prepared.loss_unit
        _print_prepared(prepared)

    def begin(self, plan: Plan) -> None:
        """Show the bar."""
        self._per_epoch = plan.updates_per_epoch
        self._bar.start()
        self._task = self._bar.add_task(
            "", total=plan.updates, completed=plan.first, epoch=1, text="…"
        )

    def notice(self, text: str) -> None:
        """Print it above the bar."""
        self._bar.console.print(f"note: {text}", markup=False)

    def update(self, update: int, loss: float) -> None:
        """Move the bar."""
        epoch = (update - 1) // self._per_epoch + 1
        self._bar.update(self._task, completed=update, epoch=epoch)

    def logged(self, logged: Logged) -> None:
        """Show loss, speed and gradient beside the bar."""
        self._bar.update(self._task, text=_numbers(logged, self._unit))

    def evaluated(self, evaluated: Evaluated) -> None:
        """Print it above the bar."""
        self._bar.console.print(describe_evaluation(evaluated, self._loss_unit))

    def end(self, outcome: Any) -> None:
        """Leave the terminal as it was."""
        self._bar.stop()

    def __del__(self) -> None:
        self._bar.stop()


def _print_prepared(prepared: Prepared) -> None:
    print("\n".join(prepared.about), flush=True)
    for warning in prepared.warnings:
        print(f"warning: {warning}", flush=True)


def _numbers(logged: Logged, unit: str) -> str:
    return (
        f"loss {logged.loss:.4f}  {logged.tokens_per_second:,.0f} {unit}/s  "
        f"gradient {logged.gradient_norm:.2f}  clipped {logged.clipped:.0%}"
    )


def describe(logged: Logged, unit: str) -> str:
    """A logged line as text."""
    return f"epoch {logged.epoch}  update {logged.update}  {_numbers(logged, unit)}"


def describe_evaluation(evaluated: Evaluated, loss_unit: str) -> str:
    """An evaluation as text."""
    mark = "  best so far" if evaluated.best else ""
    return (
        f"epoch {evaluated.epoch}  update {evaluated.update}  "
        f"validation loss {evaluated.loss:.4f} {loss_unit}{mark}"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
