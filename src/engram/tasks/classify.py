"""Classification: predict a label for each text or series."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engram.data.batching.batch import SequenceBatch
from engram.data.labelled.encoding import (
    Encoding,
    encoding_from_plain,
    learn_encoding,
    media_of,
)
from engram.data.labelled.examples import Examples
from engram.data.labelled.reading import MADE, read_examples
from engram.data.settings import ReadingSettings
from engram.data.tables.roles import with_roles
from engram.errors import DataError
from engram.models.many_to_many import State
from engram.records import Report, ReportTable
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
from engram.tasks.outlines.classify import OUTLINE, ClassifySettings
from engram.tasks.probe import Probe
from engram.tasks.task import Data, Task, Trained
from engram.tasks.transfer import known_encoding
from engram.training.losses import cross_entropy
from engram.training.source import Objective


@dataclass(frozen=True)
class Labels:
    """How inputs become numbers, and answers labels.

    Attributes:
        encoding: Of the inputs.
        classes: The labels of the training part, sorted.
        roles: What the columns of its tables were for, as settings.
    """

    encoding: Encoding
    classes: list[str]
    roles: dict[str, Any]

    def part(self, examples: Examples) -> Part:
        """Examples as numbers; a label that training had not is -1."""
        targets = None
        if isinstance(examples.targets, list):
            place = {label: index for index, label in enumerate(self.classes)}
            targets = torch.tensor([place.get(label, -1) for label in examples.targets])
        return Part(examples, self.encoding.encode(examples), targets)

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        return {
            "inputs": self.encoding.plain(),
            "classes": self.classes,
            "roles": self.roles,
        }

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> "Labels":
        """Undo `plain`.

        Raises:
            DataError: For anything else.
        """
        classes = value.get("classes")
        if not isinstance(classes, list) or len(classes) < 2:
            raise DataError("the list of classes is damaged; restore the model folder")
        names = [str(label) for label in classes]
        return cls(encoding_from_plain(value.get("inputs")), names, dict(value.get("roles") or {}))


def make_data(
    settings: ClassifySettings,
    parts: Sequence[Examples | None],
    about: Sequence[str] = (),
    warnings: Sequence[str] = (),
    roles: Mapping[str, Any] = MappingProxyType({}),
) -> Data:
    """Learn classes and encoding on the training part, and turn all parts into numbers.

    Args:
        settings: How inputs become numbers.
        parts: To train, to validate and to test; the first is needed.
        about, warnings: See `Data`.
        roles: See `Labels`.

    Raises:
        DataError: For examples without labels, one class only, a class that only the other parts
            have, and inputs that cannot be read.
    """
    train, valid, test = parts
    if train is None or not len(train):
        raise DataError("the training data contains no examples; give at least two")
    if not isinstance(train.targets, list):
        raise DataError("the examples have no labels; name the label column with --target")
    counts = Counter(train.targets)
    if len(counts) < 2:
        only = next(iter(counts))
        raise DataError(
            f"all {len(train):,} examples have the label '{only}', which is only one class; give "
            "at least two"
        )
    labels = Labels(
        learn_encoding(train, settings, known_encoding(settings)), sorted(counts), dict(roles)
    )
    for name, part in (("validate", valid), ("test", test)):
        _check_known(part, labels.classes, name)
    shown = ", ".join(f"{label} ({count:,})" for label, count in counts.most_common(8))
    return joined_data(labels, parts, [*about, f"{len(counts)} classes: {shown}"], warnings)


def read(settings: ClassifySettings) -> Data:
    """Read all data that the settings name.

    Raises:
        DataError: As `make_data` and `read_examples`.
    """
    parts, found = read_split(settings, settings.seed, numbers=False)
    return make_data(settings, parts, found.about, found.warnings, found.roles)


def evaluate(trained: Trained, part: Part) -> Report:
    """Accuracy, macro F1, loss and confusion on a part.

    Macro F1 is the mean over the classes that occur, as labels or as answers, of 2·TP / (2·TP + FP
    + FN).
    """
    scores, _ = answers(trained.model, part, trained.settings)
    classes = trained.preprocess.classes
    assert part.targets is not None
    given, wanted = scores.argmax(1), part.targets
    confusion = torch.zeros(len(classes), len(classes), dtype=torch.int64)
    confusion.index_put_((wanted, given), torch.ones_like(wanted), accumulate=True)
    right, asked, answered = confusion.diag(), confusion.sum(1), confusion.sum(0)
    occurs = asked + answered > 0
    f1 = (2.0 * right / (asked + answered).clamp(min=1))[occurs].mean().item()
    rows = [[label, *row] for label, row in zip(classes, confusion.tolist(), strict=True)]
    return Report(
        {
            "accuracy": right.sum().item() / len(wanted),
            "macro F1": f1,
            "loss": cross_entropy(scores, wanted).item(),
            "examples": len(wanted),
        },
        {"confusion (rows: true labels)": ReportTable(["", *classes], rows)},
    )


def _check_known(part: Examples | None, classes: Sequence[str], purpose: str) -> None:
    """Refuse labels that the training part lacks."""
    if part is None:
        return
    if not isinstance(part.targets, list):
        raise DataError(f"the examples to {purpose} have no labels; give a file that has them")
    known = set(classes)
    for index, label in enumerate(part.targets):
        if label not in known:
            raise DataError(
                f"{part.name(index)}: the label '{label}' occurs only in the examples to "
                f"{purpose}; training needs at least one example of it"
            )


def _build(settings: ClassifySettings, labels: Labels) -> nn.Module:
    return make_model(settings, labels.encoding, len(labels.classes))


def _objective(settings: ClassifySettings, _: Data) -> Objective:
    def objective(model: nn.Module, batch: SequenceBatch, _: State | None) -> tuple[Tensor, None]:
        scores, _ = model(batch.inputs, batch.lengths)
        assert batch.targets is not None
        return cross_entropy(scores, batch.targets, smoothing=settings.label_smoothing), None

    return objective


def _probe(trained: Trained, part: Part) -> Probe:
    def cost(scores: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(scores, targets, reduction="none")

    return probe_of(part, trained.settings, cost)


def _loss(model: nn.Module, settings: ClassifySettings, data: Data) -> float:
    def cost(scores: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(scores, targets, reduction="sum")

    return mean_cost(model, data.valid, settings, cost)


def probabilities(trained: Trained, examples: Examples) -> np.ndarray:
    """The probability of every class, ``(n, classes)`` float64, each row with the sum 1."""
    part = trained.preprocess.part(examples)
    scores, _ = answers(trained.model, part, trained.settings)
    return scores.double().softmax(1).numpy()


def predict(trained: Trained, examples: Examples) -> Iterator[dict[str, Any]]:
    """For each example: the label, its probability, and the probability of every label."""
    labels: Labels = trained.preprocess
    for index, row in enumerate(probabilities(trained, examples)):
        best = int(np.argmax(row))
        every = {f"p({label})": float(p) for label, p in zip(labels.classes, row, strict=True)}
        name = examples.name(index)
        yield {"name": name, "label": labels.classes[best], "probability": float(row[best])} | every


def _predict(trained: Trained, asking: ReadingSettings) -> Iterator[dict[str, Any]]:
    found = read_examples(
        asking.data,
        with_roles(asking, trained.preprocess.roles),
        numbers=False,
        answered=False,
        labels=trained.preprocess.classes,
        media=media_of(trained.preprocess.encoding),
    )
    tell(found.warnings)
    return predict(trained, found.examples)


def _read_part(trained: Trained, judging: ReadingSettings) -> Part:
    labels: Labels = trained.preprocess
    reading, media = with_roles(judging, labels.roles), media_of(labels.encoding)
    examples = read_examples(judging.data, reading, numbers=False, media=media).examples
    _check_known(examples, labels.classes, "evaluate")
    return labels.part(examples)


TASK = Task(
    outline=OUTLINE,
    unit="steps",
    read=read,
    build=_build,
    source=source,
    objective=_objective,
    loss=_loss,
    preprocess_from=Labels.from_plain,
    evaluate=evaluate,
    asking=ReadingSettings,
    predict=_predict,
    judging=ReadingSettings,
    read_part=_read_part,
    probe=_probe,
    makes=tuple(MADE),
)
