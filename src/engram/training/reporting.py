"""What the loop tells while it runs; how it is shown is up to who listens."""

from dataclasses import dataclass
from typing import Any

from engram.records import Evaluated, Logged


@dataclass(frozen=True)
class Prepared:
    """What is about to be trained, and on what.

    Attributes:
        about: What was read, one line each.
        warnings: Warnings about it, one sentence each.
        unit: What counts in the speed, such as ``"characters"``.
        loss_unit: What the loss is measured in.
    """

    about: list[str]
    warnings: list[str]
    unit: str
    loss_unit: str


@dataclass(frozen=True)
class Plan:
    """What is about to be done.

    Attributes:
        updates: Of the whole training.
        first: The update that comes next; above 0 for a resumed run.
        updates_per_epoch: Of one epoch.
        tokens_per_update: Counted tokens, over all processes.
    """

    updates: int
    first: int
    updates_per_epoch: int
    tokens_per_update: int


class Reporter:
    """Listens to a training; every method may be overridden, and does nothing here.

    Example:
        >>> import engram
        >>> class Losses(engram.Reporter):
        ...     def __init__(self):
        ...         self.losses = []
        ...     def update(self, update, loss):
        ...         self.losses.append(loss)
        >>> reporter = Losses()
        >>> model = engram.LanguageModel(hidden=4, lanes=2, steps=5, epochs=1, valid=0.0)
        >>> _ = model.fit("one two three " * 9, reporter=reporter)
        >>> len(reporter.losses) == model.n_iter_
        True
    """

    def prepared(self, prepared: Prepared) -> None:
        """Data were read, and nothing was trained yet."""

    def begin(self, plan: Plan) -> None:
        """Training starts or goes on."""

    def notice(self, text: str) -> None:
        """Something that a person should know, as one sentence."""

    def update(self, update: int, loss: float) -> None:
        """One update is done."""

    def logged(self, logged: Logged) -> None:
        """A line of metrics was written."""

    def evaluated(self, evaluated: Evaluated) -> None:
        """An evaluation is done."""

    def end(self, outcome: Any) -> None:
        """Training is over, or was stopped."""


class Reporters(Reporter):
    """Tells each of several reporters, in their order."""

    def __init__(self, *reporters: Reporter) -> None:
        self._reporters = reporters

    def prepared(self, prepared: Prepared) -> None:
        """Tell each."""
        for each in self._reporters:
            each.prepared(prepared)

    def begin(self, plan: Plan) -> None:
        """Tell each."""
        for each in self._reporters:
            each.begin(plan)

    def notice(self, text: str) -> None:
        """Tell each."""
        for each in self._reporters:
            each.notice(text)

    def update(self, update: int, loss: float) -> None:
        """Tell each."""
        for each in self._reporters:
            each.update(update, loss)

    def logged(self, logged: Logged) -> None:
        """Tell each."""
        for each in self._reporters:
            each.logged(logged)

    def evaluated(self, evaluated: Evaluated) -> None:
        """Tell each."""
        for each in self._reporters:
            each.evaluated(evaluated)

    def end(self, outcome: Any) -> None:
        """Tell each."""
        for each in self._reporters:
            each.end(outcome)
