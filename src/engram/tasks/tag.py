"""Tagging: a tag for each step of a sentence, or of a series."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from engram.data.arrays.sequences import Sequences
from engram.data.batching.batch import StepBatch
from engram.data.batching.buckets import Buckets, in_order
from engram.data.batching.lanes import IGNORED
from engram.data.batching.padding import padded
from engram.data.labelled.encoding import ValueEncoding, encoding_from_plain, learn_value_encoding
from engram.data.labelled.examples import Examples
from engram.data.settings import BucketSettings, TagReadingSettings
from engram.data.tagging.tag_files import read_tagged
from engram.data.tagging.tagged import Lists, Tagged, split_tagged
from engram.data.tagging.word_features import WordEncoding, sentences_of
from engram.errors import DataError
from engram.models.many_to_many import State
from engram.models.tagger import Tagger
from engram.records import Report, ReportTable
from engram.settings import Settings
from engram.tasks.held_out import in_turn, split
from engram.tasks.outlines.tag import OUTLINE, TagSettings
from engram.tasks.probe import Probe, Single, choose_targets
from engram.tasks.spans import are_spans, compare
from engram.tasks.task import Data, Task, Trained
from engram.training.device import device_of
from engram.training.evaluation import mean_loss
from engram.training.losses import cross_entropy
from engram.training.source import Objective

_SHOWN = 30  # tags of which a report shows the confusion


class AskingSettings(Settings):
    """What is predicted."""

    data: list[str] = Field([], description="files or globs, of the same kinds as in training")
    text: list[str] = Field(
        [], description="sentences, instead of files; words are separated by spaces"
    )
    encoding: str = Field("utf-8", description="encoding of text files")
    words: str | None = Field(None, description="column of words or values; default inferred")

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        faults = super().contradictions()
        if bool(self.data) == bool(self.text):
            faults.append("give either files with --data or sentences with --text")
        return faults


@dataclass(frozen=True)
class Part:
    """Some sequences, as numbers.

    Attributes:
        tagged: As they were read.
        sequences: What the model reads.
        targets: The number of each step's tag, ``(N,)`` int32, or None; laid out as the values.
    """

    tagged: Tagged
    sequences: Sequences
    targets: Sequences | None


@dataclass(frozen=True)
class Tags:
    """How inputs become numbers, and answers tags.

    Attributes:
        encoding: Of the inputs.
        tags: Those of the training part, sorted.
    """

    encoding: WordEncoding | ValueEncoding
    tags: list[str]

    def part(self, tagged: Tagged) -> Part:
        """Sequences as numbers.

        Raises:
            DataError: For a tag that training had not, values where it had words, and so on.
        """
        sequences = self._encode(tagged)
        if tagged.tags is None:
            return Part(tagged, sequences, None)
        place = {tag: number for number, tag in enumerate(self.tags)}
        numbers = np.array([place.get(tag, -1) for tag in tagged.tags.texts], dtype=np.int32)
        if (numbers < 0).any():
            step = int(np.argmax(numbers < 0))
            row = int(np.searchsorted(tagged.tags.offsets, step, side="right")) - 1
            raise DataError(
                f"{tagged.name(row)}: the tag '{tagged.tags.texts[step]}' does not occur in the "
                "training data, which needs at least one example of it"
            )
        return Part(tagged, sequences, Sequences(numbers, tagged.tags.offsets))

    def _encode(self, tagged: Tagged) -> Sequences:
        if isinstance(self.encoding, WordEncoding):
            return self.encoding.encode(tagged)
        if not isinstance(tagged.inputs, Sequences):
            raise DataError("the model reads numeric columns, but the data contains words")
        return self.encoding.encode(Examples(tagged.inputs, None, tagged.names))

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        return {"inputs": self.encoding.plain(), "tags": self.tags}

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> "Tags":
        """Undo `plain`.

        Raises:
            DataError: For anything else.
        """
        tags, inputs = value.get("tags"), value.get("inputs")
        if not isinstance(tags, list) or len(tags) < 2:
            raise DataError("the list of tags is damaged; restore the model folder")
        if isinstance(inputs, dict) and "words" in inputs:
            return cls(WordEncoding.from_plain(inputs), [str(tag) for tag in tags])
        encoding = encoding_from_plain(inputs)
        if not isinstance(encoding, ValueEncoding):
            raise DataError("the encoding of inputs is damaged; restore the model folder")
        return cls(encoding, [str(tag) for tag in tags])


def make_data(settings: TagSettings, parts: Sequence[Tagged | None]) -> Data:
    """Learn tags and encoding on the training part, and turn all parts into numbers.

    Args:
        settings: How inputs become numbers.
        parts: To train, to validate and to test; the first is needed.

    Raises:
        DataError: For sequences without tags, one tag only, a tag that only the other parts have,
            and inputs that cannot be read.
    """
    train = parts[0]
    if train is None or train.tags is None:
        raise DataError("the sequences have no tags; give one for each step")
    counts = Counter(train.tags.texts)
    if len(counts) < 2:
        raise DataError(
            f"all {counts.total():,} steps have the tag '{next(iter(counts))}'; give at least two "
            "tags"
        )
    encoding: WordEncoding | ValueEncoding
    if isinstance(train.inputs, Lists):
        encoding = WordEncoding.learnt(train.inputs, settings.vocabulary, settings.least)
    else:
        given = Examples(train.inputs, None, train.names)
        encoding = learn_value_encoding(given, scaling=settings.scaling, missing=settings.missing)
    tags = Tags(encoding, sorted(counts))
    for name, each in (("validate", parts[1]), ("test", parts[2])):
        if each is not None and each.tags is None:
            raise DataError(f"the sequences to {name} have no tags; give a file that has them")
    made = [None if part is None else tags.part(part) for part in parts]
    digest = ".".join(part.digest() for part in parts if part is not None)
    sizes = [0 if part is None else len(part) for part in parts]
    lengths = train.inputs.lengths
    lines = [
        f"{sizes[0]:,} sequences to train, {sizes[1]:,} to validate, {sizes[2]:,} to test",
        f"{len(counts)} tags: " + ", ".join(f"{t} ({n:,})" for t, n in counts.most_common(8)),
        f"{lengths.min():,} to {lengths.max():,} steps, {lengths.mean():,.0f} on average",
    ]
    if isinstance(encoding, WordEncoding) and made[0] is not None:
        unknown = encoding.unknown(made[0].sequences)
        lines.append(
            f"{len(encoding.words):,} words have a vector of their own; {unknown:,} steps of the "
            "training set are other words, read as unknown"
        )
    return Data(made[0], made[1], made[2], tags, digest, lines)


def read(settings: TagSettings) -> Data:
    """Read all data that the settings name.

    Raises:
        DataError: As `make_data` and `read_tagged`.
    """
    train, notes = read_tagged(settings.data, settings, answered=True)

    def own(files: Sequence[str]) -> Tagged:
        part, more = read_tagged(files, settings, answered=True)
        notes.extend(more)
        return part

    parts = split(settings, settings.seed, train, own, in_turn(split_tagged))
    data = make_data(settings, parts)
    return replace(data, warnings=[*data.warnings, *notes])


def batch_of(part: Part, rows: np.ndarray) -> StepBatch:
    """The sequences with these numbers side by side."""
    inputs, lengths = padded(part.sequences, rows)
    targets = None if part.targets is None else padded(part.targets, rows, IGNORED)[0]
    return StepBatch(inputs, lengths, targets, rows, int(lengths.sum()))


def part_loss(model: nn.Module, part: Part, settings: Any) -> float:
    """Nats per step over a part; see `mean_loss`."""

    def loss(batch: StepBatch) -> tuple[Tensor, float]:
        assert batch.targets is not None
        scores = model(batch.inputs, batch.lengths)
        return cross_entropy(scores, batch.targets, reduction="sum"), batch.terms

    return mean_loss(model, _in_order(part, settings), loss)


@torch.inference_mode()
def answers(trained: Trained, part: Part) -> list[tuple[np.ndarray, np.ndarray]]:
    """The index of each step's most likely tag, and its probability, ``(T_i,)`` each."""
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    device = device_of(trained.model)
    for batch in _in_order(part, trained.settings):
        scores = trained.model(batch.inputs.to(device), batch.lengths.to(device))
        chances, best = (each.cpu().numpy() for each in scores.softmax(-1).max(-1))
        for place, row in enumerate(batch.rows.tolist()):
            length = int(batch.lengths[place])
            found[row] = (best[:length, place], chances[:length, place])
    return [found[row] for row in range(len(part.sequences))]


def evaluate(trained: Trained, part: Part) -> Report:
    """Accuracy over steps; where the tags mark spans, also their precision, recall and F1."""
    assert part.targets is not None
    assert part.tagged.tags is not None
    names = trained.preprocess.tags
    given = [best for best, _ in answers(trained, part)]
    flat, wanted = np.concatenate(given), part.targets.values
    measures = {"token accuracy": float((flat == wanted).mean())}
    tables = {}
    if are_spans(names):
        tags = part.tagged.tags
        every, kinds = compare(
            (tags[index] for index in range(len(tags))), ([names[n] for n in row] for row in given)
        )
        measures |= {
            "span F1": every.f1,
            "span precision": every.precision,
            "span recall": every.recall,
        }
        tables["spans"] = ReportTable(
            ["kind", "F1", "precision", "recall", "spans"],
            [[kind, k.f1, k.precision, k.recall, k.asked] for kind, k in kinds.items()],
        )
    elif len(names) <= _SHOWN:
        confusion = np.zeros((len(names), len(names)), dtype=np.int64)
        np.add.at(confusion, (wanted, flat), 1)
        rows = [[name, *row] for name, row in zip(names, confusion.tolist(), strict=True)]
        tables["confusion (rows: true tags)"] = ReportTable(["", *names], rows)
    measures |= {
        "loss": part_loss(trained.model, part, trained.settings),
        "sequences": len(part.sequences),
        "steps": len(flat),
    }
    return Report(measures, tables)


def predict(trained: Trained, tagged: Tagged) -> Iterator[dict[str, Any]]:
    """For each step of each sequence: the word, its tag, and the probability of the tag."""
    tags: Tags = trained.preprocess
    part = tags.part(Tagged(tagged.inputs, None, tagged.names))
    for index, (best, chances) in enumerate(answers(trained, part)):
        words = tagged.inputs[index] if isinstance(tagged.inputs, Lists) else None
        for step, (number, chance) in enumerate(zip(best, chances, strict=True)):
            row = {"name": tagged.name(index), "step": step + 1}
            row |= {} if words is None else {"word": words[step]}
            yield row | {"tag": tags.tags[number], "probability": float(chance)}


def _predict(trained: Trained, asking: AskingSettings) -> Iterator[dict[str, Any]]:
    if asking.text:
        names = [f"text {number}" for number in range(1, len(asking.text) + 1)]
        return predict(trained, Tagged(sentences_of(asking.text), None, names))
    reading = TagReadingSettings(
        data=asking.data,
        encoding=asking.encoding,
        words=asking.words or trained.settings.words,
    )
    return predict(trained, read_tagged(reading.data, reading, answered=False)[0])


def _read_part(trained: Trained, judging: TagReadingSettings) -> Part:
    own = trained.settings
    columns = {"words": judging.words or own.words, "tags": judging.tags or own.tags}
    reading = judging.model_copy(update=columns)
    tagged, _ = read_tagged(reading.data, reading, answered=True)
    tags: Tags = trained.preprocess
    return tags.part(tagged)


def _build(settings: TagSettings, tags: Tags) -> nn.Module:
    encoding = tags.encoding
    inputs = encoding.sizes if isinstance(encoding, WordEncoding) else encoding.width
    return Tagger(inputs, len(tags.tags), settings)


def _source(settings: TagSettings, data: Data) -> Buckets:
    own = BucketSettings(batch=settings.batch, batch_steps=settings.batch_steps)
    lengths = data.train.sequences.lengths
    return Buckets(lengths, lambda rows, _: batch_of(data.train, rows), own, settings.seed)


def _objective(settings: TagSettings, _: Data) -> Objective:
    def objective(model: nn.Module, batch: StepBatch, _: State | None) -> tuple[Tensor, None]:
        assert batch.targets is not None
        scores = model(batch.inputs, batch.lengths)
        return cross_entropy(scores, batch.targets, smoothing=settings.label_smoothing), None

    return objective


def probe(trained: Trained, part: Part) -> Probe:
    """Single losses of steps; a context is as many steps before it and, where both directions are
    read, after it."""
    assert part.targets is not None
    sequences, targets = part.sequences, part.targets
    both = trained.settings.bidirectional
    rows = np.repeat(np.arange(len(sequences)), sequences.lengths)
    steps = np.arange(len(rows)) - sequences.offsets[rows]
    longest, chosen = choose_targets(steps + 1, trained.settings.seed)

    def losses(model: nn.Module, some: slice, context: int | None) -> Single:
        picked = chosen[some]
        of, at = rows[picked], steps[picked]
        first = np.zeros_like(at) if context is None else at + 1 - context
        after = sequences.lengths[of] if both else at + 1
        if context is not None:
            after = np.minimum(after, at + context)
        cut = [sequences[int(r)][f:a] for r, f, a in zip(of, first, after, strict=True)]
        offsets = np.concatenate([[0], np.cumsum(after - first)])
        own = Sequences(np.concatenate(cut), offsets, sequences.columns)
        device = device_of(model)
        inputs, lengths = (each.to(device) for each in padded(own, range(len(picked))))
        place = torch.from_numpy(at - first).to(device)
        scores = model(inputs, lengths)[place, torch.arange(len(picked), device=device)]
        wanted = torch.from_numpy(targets.values[targets.offsets[of] + at].astype(np.int64))
        loss = cross_entropy(scores, wanted.to(device), reduction="none")
        return Single(loss, {"layers": place})

    return Probe(losses, len(chosen), longest, "steps")


def _in_order(part: Part, settings: Any) -> Iterator[StepBatch]:
    own = BucketSettings(batch=max(64, settings.batch), batch_steps=settings.batch_steps)
    return in_order(part.sequences.lengths, lambda rows: batch_of(part, rows), own)


TASK = Task(
    outline=OUTLINE,
    unit="steps",
    read=read,
    build=_build,
    source=_source,
    objective=_objective,
    loss=lambda model, settings, data: part_loss(model, data.valid, settings),
    preprocess_from=Tags.from_plain,
    evaluate=evaluate,
    asking=AskingSettings,
    predict=_predict,
    judging=TagReadingSettings,
    read_part=_read_part,
    probe=probe,
)
