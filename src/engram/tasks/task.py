"""A task: what a model is fitted to do, as the parts that bind data, model, loss and measures.

`fitting` trains, saves and loads any of them; the command line knows them by `registry`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import nn

from engram.records import Report
from engram.settings import Settings
from engram.tasks.outlines.outline import Outline
from engram.tasks.probe import Probe
from engram.training.source import Objective, Source


class Preprocess(Protocol):
    """What was learnt on the training set in addition to weights: vocabulary, classes, scaling, "
    "…"""

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""


@dataclass(frozen=True)
class Data:
    """What a task read.

    Attributes:
        train, valid, test: The parts, each of the task's own type; None where there is none.
        preprocess: Learnt on the training part.
        digest: To recognise the same data again.
        about: What was read, one line each.
        warnings: Warnings about it, one sentence each.
        unit: What counts in the speed of its training, where that depends on the data.
    """

    train: Any
    valid: Any
    test: Any
    preprocess: Any
    digest: str
    about: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unit: str | None = None

    @property
    def held_out(self) -> Any:
        """What a model is measured on: the validation part, or without one the training part."""
        return self.train if self.valid is None else self.valid


@dataclass(frozen=True)
class Trained:
    """A model with all that using it needs."""

    task: str
    model: nn.Module
    preprocess: Any
    settings: Any


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        outline: What it is called, what it does and what can be set.
        unit: What counts in its speed, such as ``"steps"``.
        loss_unit: What its loss is measured in.
        read: ``read(settings)``: all data that the settings name.
        build: ``build(settings, preprocess)``: the untrained model, from the global random state.
        source: ``source(settings, data)``: batches of the training part.
        objective: ``objective(settings, data)``: the loss of a batch.
        loss: ``loss(model, settings, data)``: of the validation part; less is better.
        preprocess_from: ``preprocess_from(plain)``: undoes `Preprocess.plain`; a DataError tells of
            what is damaged.
        evaluate: ``evaluate(trained, part)``: on a part as `read` gives it.
        judging: Settings of an evaluation, whose ``data`` names what is read, if anything is.
        read_part: ``read_part(trained, judging)``: other data, as a part that `evaluate` takes.
        asking: Settings of a prediction, with ``data`` likewise; None where nothing is predicted.
        predict: ``predict(trained, asking)``: rows of answers, names to values.
        sample: ``sample(trained, prompt, sampling)``: a stream of text; None where none is written.
        probe: ``probe(trained, part)``: single losses on a part, for diagnosis; None where there
            are none.
        next_steps: ``next_steps(run)``: commands to go on with; None takes the usual ones.
        finish: ``finish(trained, data)``: sets what is not learnt but measured after training; None
            where nothing is.
        makes: Names in ``data`` that mean examples made on this machine; a file of such a name is
            given as ``./NAME``.
        diagnosed: Whether what the model remembers is measured at the end of each training.
    """

    outline: Outline
    unit: str
    read: Callable[[Any], Data]
    build: Callable[[Any, Any], nn.Module]
    source: Callable[[Any, Data], Source]
    objective: Callable[[Any, Data], Objective]
    loss: Callable[[nn.Module, Any, Data], float]
    preprocess_from: Callable[[dict[str, Any]], Preprocess]
    evaluate: Callable[[Trained, Any], Report]
    judging: type[Settings]
    read_part: Callable[[Trained, Any], Any]
    asking: type[Settings] | None = None
    predict: Callable[[Trained, Any], Iterator[dict[str, Any]]] | None = None
    sample: Callable[[Trained, str, Any], Iterator[str]] | None = None
    probe: Callable[[Trained, Any], Probe] | None = None
    next_steps: Callable[[str], list[str]] | None = None
    loss_unit: str = "nats"
    finish: Callable[[Trained, Data], None] | None = None
    makes: tuple[str, ...] = ()
    diagnosed: bool = False

    @property
    def name(self) -> str:
        """As it is typed."""
        return self.outline.name

    @property
    def settings(self) -> type[Settings]:
        """Everything that can be set for its training."""
        return self.outline.settings

    @property
    def names(self) -> str:
        """The setting that says what is trained on."""
        return self.outline.names

    @property
    def reads(self) -> bool:
        """Whether predictions and evaluations read what ``data`` names."""
        return "data" in self.judging.model_fields

    def steps_after(self, run: str) -> list[str]:
        """Commands to go on with after a training."""
        if self.next_steps is not None:
            return self.next_steps(run)
        files = " --data FILE" if self.reads else ""
        return [
            f"engram predict {run}{files} --out predictions.csv",
            f"engram eval {run}{files}",
            f"engram info {run}",
        ]
