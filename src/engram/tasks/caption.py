"""Captioning: an image, a class or a vector in, a sentence out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from engram.data.augmentation.images import augment_images
from engram.data.batching.batch import Batch
from engram.data.batching.buckets import Buckets, in_order
from engram.data.batching.seeds import seed_of
from engram.data.images.captions import load_image
from engram.data.settings import BucketSettings, ImageAugmentation
from engram.errors import ConfigError, DataError
from engram.models.captioner import Captioner
from engram.models.decoding import Hypothesis
from engram.models.settings import CaptionerSettings
from engram.records import Report
from engram.tasks.captions import SCENES, Meaning, Part, read, read_judged
from engram.tasks.outlines.caption import OUTLINE, CaptionSettings, CaptionsSettings
from engram.tasks.probe import Probe
from engram.tasks.task import Data, Task, Trained
from engram.tasks.writing import (
    AskingSettings,
    Targets,
    drawn_in,
    judged,
    loss_of,
    part_loss,
    probe_of,
    targets_of,
    written,
)
from engram.training.device import device_of
from engram.training.source import Objective


@dataclass(frozen=True)
class CaptionBatch(Batch):
    """Captions side by side.

    Attributes:
        given: As `Captioner.begin` takes it, ``(B, …)``.
        written: What is to be written.
        share: See `Batch`.
    """

    axes: ClassVar[Mapping[str, int]] = {"given": 0}

    given: Tensor
    written: Targets
    share: float = 1.0

    @property
    def count(self) -> int:
        """Tokens that are to be written, in all processes."""
        return self.written.count

    @property
    def terms(self) -> float:
        """Tokens of these rows that are to be written."""
        return self.written.terms


def evaluate(trained: Trained, part: Part) -> Report:
    """Exact match (with any of an example's captions), BLEU and loss, and some that were wrong."""
    loss = _mean_loss(trained.model, trained.settings, part)
    tokenizer = trained.preprocess.tokenizer
    outputs = [tokenizer.decode(found.tokens).strip() for found in answers(trained, part.given)]
    given = part.captions.given
    names = given if isinstance(given, list) else [f"example {n + 1}" for n in range(len(given))]
    return judged(names, outputs, part.captions.texts, loss)


def answers(
    trained: Trained, given: np.ndarray, asking: AskingSettings | None = None
) -> list[Hypothesis]:
    """What a model writes for each of what is given, as `Meaning.numbers` has it."""
    model: Any = trained.model
    model.eval()
    meaning, settings = trained.preprocess, trained.settings
    found = []
    for start in range(0, len(given), 256):
        some = given[start : start + 256]
        with torch.inference_mode():
            begun = model.begin(_as_input(some).to(device_of(model)))
        limits = [meaning.longest] * len(some)
        found += written(model, begun, limits, settings, meaning.tokenizer, asking)
    return found


def caption(
    trained: Trained,
    names: Sequence[str],
    given: np.ndarray | list[str],
    asking: AskingSettings | None = None,
) -> Iterator[dict[str, Any]]:
    """Write captions.

    Returns:
        For each its ``name``, ``caption`` and ``log_probability`` in nats, ``ended`` (false where
        it was cut off); with ``asking.attention``, of images, also the ``written`` tokens, and for
        each of them the ``attention`` on the places of the image, as rows of a grid.
    """
    meaning: Meaning = trained.preprocess
    found = answers(trained, meaning.numbers(given), asking)
    image: Any = trained.model.image
    places = None if image is None else image.places
    for name, each in zip(names, found, strict=True):
        row = {
            "name": name,
            "caption": meaning.tokenizer.decode(each.tokens).strip(),
            "log_probability": each.log_probability,
            "ended": each.ended,
        }
        seen = each.attention
        if asking is not None and asking.attention and seen is not None and places is not None:
            grids = seen.view(len(seen), places.rows, places.columns)
            steps = [*each.tokens, *([0] if each.ended else [])]
            row["written"] = [meaning.tokenizer.decode([i]) for i in steps]
            row["attention"] = [
                [[round(x, 4) for x in line] for line in grid] for grid in grids.tolist()
            ]
        yield row


class CaptionAsking(AskingSettings):
    """What captions are written for, and how."""

    data: list[str] = Field([], description="image files, or folders of images")
    given: list[str] = Field(
        [],
        description="classes, or numbers separated by commas, instead of files; if the first is "
        "negative write --given=-1,2",
        json_schema_extra={"metavar": "GIVEN"},
    )


def _predict(trained: Trained, asking: CaptionAsking) -> Iterator[dict[str, Any]]:
    meaning: Meaning = trained.preprocess
    if meaning.about != "images":
        if asking.data or not asking.given:
            raise ConfigError(
                f"the model describes {meaning.about}, not files; give them with --given"
            )
        if meaning.about == "classes":
            return caption(trained, asking.given, list(asking.given), asking)
        return caption(trained, asking.given, _numbers(asking.given), asking)
    if asking.given or not asking.data:
        raise ConfigError("the model describes images; give files or folders with --data")
    files: list[Path] = []
    for path in map(Path, asking.data):
        files += _images_in(path) if path.is_dir() else [path]
    assert meaning.shape is not None
    channels, *size = meaning.shape
    images = [load_image(path, (size[0], size[1]), channels) for path in files]
    return caption(trained, [str(path) for path in files], np.stack(images), asking)


def _images_in(folder: Path) -> list[Path]:
    from engram.data.images.pictures import SUFFIXES

    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f"{folder} contains no images; give a folder that does, or files")
    return found


def _numbers(given: Sequence[str]) -> np.ndarray:
    try:
        return np.array([[float(x) for x in text.split(",")] for text in given], np.float32)
    except ValueError:
        raise ConfigError(
            f"numbers are given as {' '.join(given)!r}; give the same number for each, separated "
            "by commas, such as 1.5,2"
        ) from None


def _read_part(trained: Trained, judging: CaptionsSettings) -> Part:
    meaning: Meaning = trained.preprocess
    return meaning.part(read_judged(judging, meaning))


def _as_input(given: np.ndarray) -> Tensor:
    made = torch.from_numpy(np.ascontiguousarray(given))
    return made.to(torch.float32) / 255.0 if made.dtype == torch.uint8 else made


def _batch(part: Part, rows: np.ndarray, drawn: float = 0.0) -> CaptionBatch:
    given = _as_input(part.given[part.owners[rows]])
    return CaptionBatch(given, targets_of(part.targets, rows, drawn))


def _build(settings: CaptionSettings, meaning: Meaning) -> nn.Module:
    own = {name: getattr(settings, name) for name in CaptionerSettings.model_fields}
    given = meaning.shape or (None if meaning.classes is None else len(meaning.classes))
    width = None if meaning.scaling is None else len(meaning.scaling.mean)
    return Captioner(given, meaning.tokenizer.size, CaptionerSettings(**own), width=width)


def _augmentation(settings: CaptionSettings) -> ImageAugmentation:
    names = ImageAugmentation.model_fields
    return ImageAugmentation(**{name: getattr(settings, name) for name in names})


def _source(settings: CaptionSettings, data: Data) -> Buckets:
    part: Part = data.train
    lengths = part.targets.lengths
    changes = _augmentation(settings)

    def make(rows: np.ndarray, epoch: int) -> CaptionBatch:
        batch = _batch(part, rows, drawn_in(epoch, settings))
        if changes == ImageAugmentation():
            return batch
        seed = seed_of(settings.seed, epoch, *rows.tolist())
        generator = torch.Generator().manual_seed(seed)
        return replace(batch, given=augment_images(batch.given, changes, generator))

    return Buckets(
        # as if all were of one length: what captions are about costs more than padding, and batches
        # of short captions alone would be batches of like images
        np.full_like(lengths, round(lengths.mean())),
        make,
        BucketSettings(batch=settings.batch, batch_steps=settings.batch_steps),
        settings.seed,
    )


def _objective(settings: CaptionSettings, data: Data) -> Objective:
    def objective(model: nn.Module, batch: CaptionBatch, state: Any) -> tuple[Tensor, None]:
        asked = batch.written
        scores, _ = model(batch.given, asked.inputs, drawn=asked.drawn)
        return loss_of(scores, asked.targets, settings), None

    return objective


def _probe(trained: Trained, part: Part) -> Probe:
    def begin(model: Any, rows: np.ndarray) -> Any:
        return model.begin(_as_input(part.given[part.owners[rows]]).to(device_of(model)))

    return probe_of(part.targets, trained.settings.seed, begin)


def _mean_loss(model: nn.Module, settings: Any, part: Part) -> float:
    own = BucketSettings(batch=max(128, settings.batch), batch_steps=settings.batch_steps)
    batches = in_order(part.targets.lengths, lambda rows: _batch(part, rows), own)
    return part_loss(model, batches, lambda m, b: m(b.given, b.written.inputs)[0])


def _loss(model: nn.Module, settings: CaptionSettings, data: Data) -> float:
    return _mean_loss(model, settings, data.valid)


TASK = Task(
    outline=OUTLINE,
    unit="tokens",
    read=read,
    build=_build,
    source=_source,
    objective=_objective,
    loss=_loss,
    preprocess_from=Meaning.from_plain,
    evaluate=evaluate,
    asking=CaptionAsking,
    predict=_predict,
    judging=CaptionsSettings,
    read_part=_read_part,
    probe=_probe,
    makes=(SCENES,),
)
