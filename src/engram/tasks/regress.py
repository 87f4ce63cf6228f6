"""Regression: predict a number for each text or series."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engram.data.arrays.scaling import Scaling
from engram.data.batching.batch import SequenceBatch
from engram.data.labelled.encoding import (
    Encoding,
    encoding_from_plain,
    learn_encoding,
    media_of,
)
from engram.data.labelled.examples import Examples
from engram.data.labelled.reading import read_examples
from engram.data.settings import ReadingSettings
from engram.data.tables.roles import with_roles
from engram.errors import DataError
from engram.models.many_to_many import State
from engram.records import Report
from engram.tasks.examples import (
    Part,
    answers,
    joined_data,
    make_model,
    mean_cost,
    probe_of,
    read_split,
    source,
    tell,
)
from engram.tasks.outlines.regress import OUTLINE, RegressSettings
from engram.tasks.probe import Probe
from engram.tasks.task import Data, Task, Trained
from engram.tasks.transfer import known_encoding
from engram.training.losses import cost_by_name
from engram.training.source import Objective


@dataclass(frozen=True)
class Numbers:
    """How inputs become numbers, and outputs answers.

    Attributes:
        encoding: Of the inputs.
        scale: Of the targets, as learnt on the training part.
        roles: What the columns of its tables were for, as settings.
    """

    encoding: Encoding
    scale: Scaling
    roles: dict[str, Any]

    def part(self, examples: Examples) -> Part:
        """Examples as numbers."""
        targets = None
        if isinstance(examples.targets, np.ndarray):
            targets = torch.from_numpy(self.scale.apply(examples.targets[:, None])[:, 0])
        return Part(examples, self.encoding.encode(examples), targets)

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        kept = {"inputs": self.encoding.plain(), "targets": self.scale.plain()}
        return kept | {"roles": self.roles}

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> "Numbers":
        """Undo `plain`.

        Raises:
            DataError: For anything else.
        """
        scale = Scaling.from_plain(value.get("targets"))
        if len(scale.mean) != 1:
            raise DataError("the scaling is damaged; restore the model folder")
        encoding = encoding_from_plain(value.get("inputs"))
        return cls(encoding, scale, dict(value.get("roles") or {}))


def make_data(
    settings: RegressSettings,
    parts: Sequence[Examples | None],
    about: Sequence[str] = (),
    warnings: Sequence[str] = (),
    roles: Mapping[str, Any] = MappingProxyType({}),
) -> Data:
    """Learn scale and encoding on the training part, and turn all parts into numbers.

    Args:
        settings: How inputs become numbers.
        parts: To train, to validate and to test; the first is needed.
        about, warnings: See `Data`.
        roles: See `Numbers`.

    Raises:
        DataError: For examples without numbers to learn, one number for all of them, and inputs
            that cannot be read.
    """
    train = parts[0]
    if train is None or not len(train):
        raise DataError("the training data contains no examples; give at least two")
    for name, part in zip(("train", "validate", "test"), parts, strict=True):
        if part is not None and not isinstance(part.targets, np.ndarray):
            raise DataError(
                f"the examples to {name} on have no numeric targets; name the column to predict "
                "with --target"
            )
    targets = np.asarray(train.targets, dtype=np.float64)
    if len(targets) == 1:
        raise DataError("the training data has only one sample; give at least two")
    if targets.min() == targets.max():
        raise DataError(
            f"all {len(train):,} examples have the same target {targets[0]:g}; give at least two "
            "different ones"
        )
    scale = Scaling.learnt(targets[:, None])
    numbers = Numbers(learn_encoding(train, settings, known_encoding(settings)), scale, dict(roles))
    span = f"targets from {targets.min():g} to {targets.max():g}, {targets.mean():g} on average"
    return joined_data(numbers, parts, [*about, span], warnings)


def read(settings: RegressSettings) -> Data:
    """Read all data that the settings name.

    Raises:
        DataError: As `make_data` and `read_examples`.
    """
    parts, found = read_split(settings, settings.seed, numbers=True)
    return make_data(settings, parts, found.about, found.warnings, found.roles)


def numbers_of(trained: Trained, part: Part) -> np.ndarray:
    """What a model answers, in the units of the targets, ``(n,)`` float64."""
    outputs, _ = answers(trained.model, part, trained.settings)
    scale: Scaling = trained.preprocess.scale
    return scale.undo(outputs.numpy())[:, 0]


def evaluate(trained: Trained, part: Part) -> Report:
    """Mean absolute error, root of the mean squared error, and R² on a part.

    R² is 1 - Σ(y - ŷ)² / Σ(y - ȳ)²: 0 is as good as answering the mean of the part's own targets.
    It is left out where these do not vary.
    """
    given = numbers_of(trained, part)
    wanted = np.asarray(part.examples.targets, dtype=np.float64)
    errors = wanted - given
    spread = float(((wanted - wanted.mean()) ** 2).sum())
    measures = {
        "MAE": float(np.abs(errors).mean()),
        "RMSE": float(np.sqrt((errors**2).mean())),
    }
    if spread > 0:
        measures["R²"] = 1.0 - float((errors**2).sum()) / spread
    return Report(measures | {"examples": len(wanted)})


def predict(trained: Trained, examples: Examples) -> Iterator[dict[str, Any]]:
    """For each example its number."""
    part = trained.preprocess.part(Examples(examples.inputs, None, examples.names))
    for index, value in enumerate(numbers_of(trained, part)):
        yield {"name": examples.name(index), "value": float(value)}


def _predict(trained: Trained, asking: ReadingSettings) -> Iterator[dict[str, Any]]:
    reading = with_roles(asking, trained.preprocess.roles)
    media = media_of(trained.preprocess.encoding)
    found = read_examples(asking.data, reading, numbers=True, answered=False, media=media)
    tell(found.warnings)
    return predict(trained, found.examples)


def _read_part(trained: Trained, judging: ReadingSettings) -> Part:
    reading = with_roles(judging, trained.preprocess.roles)
    media = media_of(trained.preprocess.encoding)
    examples = read_examples(judging.data, reading, numbers=True, media=media).examples
    part: Part = trained.preprocess.part(examples)
    return part


def _build(settings: RegressSettings, numbers: Numbers) -> nn.Module:
    return make_model(settings, numbers.encoding, 1)


def _objective(settings: RegressSettings, _: Data) -> Objective:
    cost = cost_by_name(settings.cost)

    def objective(model: nn.Module, batch: SequenceBatch, _: State | None) -> tuple[Tensor, None]:
        outputs, _ = model(batch.inputs, batch.lengths)
        assert batch.targets is not None
        return cost(outputs, batch.targets.unsqueeze(1)), None

    return objective


def _probe(trained: Trained, part: Part) -> Probe:
    function = cost_by_name(trained.settings.cost)

    def cost(outputs: Tensor, targets: Tensor) -> Tensor:
        return function(outputs, targets.unsqueeze(1), reduction="none").flatten()

    return probe_of(part, trained.settings, cost)


def _loss(model: nn.Module, settings: RegressSettings, data: Data) -> float:
    function = cost_by_name(settings.cost)

    def cost(outputs: Tensor, targets: Tensor) -> Tensor:
        return function(outputs, targets.unsqueeze(1), reduction="sum")

    return mean_cost(model, data.valid, settings, cost)


TASK = Task(
    outline=OUTLINE,
    unit="steps",
    loss_unit="of the scaled targets",
    read=read,
    build=_build,
    source=source,
    objective=_objective,
    loss=_loss,
    preprocess_from=Numbers.from_plain,
    evaluate=evaluate,
    asking=ReadingSettings,
    predict=_predict,
    judging=ReadingSettings,
    read_part=_read_part,
    probe=_probe,
)
