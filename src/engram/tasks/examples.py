"""What tasks with one answer for each text or series share: settings, parts, batches, answers."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from engram.data.arrays.sequences import Sequences
from engram.data.augmentation.image_rows import ImageChanges
from engram.data.augmentation.series import augment_series
from engram.data.augmentation.sounds import SoundChanges
from engram.data.augmentation.tokens import TokenNoise
from engram.data.batching.batch import SequenceBatch
from engram.data.batching.buckets import Buckets, in_order
from engram.data.batching.padding import padded
from engram.data.batching.seeds import seed_of
from engram.data.labelled.encoding import Encoding, TextEncoding, ValueEncoding, media_of
from engram.data.labelled.examples import Examples, Medium, split_examples
from engram.data.labelled.reading import Found, read_examples
from engram.data.settings import (
    BucketSettings,
    ImageAugmentation,
    ImageSettings,
    SeriesAugmentation,
    SoundAugmentation,
    SoundSettings,
    TokenAugmentation,
)
from engram.data.tables.roles import with_roles
from engram.data.text.tokens import cautions
from engram.errors import ConfigError, EngramWarning
from engram.models.many_to_one import ManyToOne
from engram.models.settings import ManyToOneSettings
from engram.settings import Settings
from engram.tasks.held_out import Parts, in_turn, split
from engram.tasks.outlines.examples import ExampleSettings
from engram.tasks.probe import Probe, Single, choose_targets
from engram.tasks.task import Data
from engram.tasks.transfer import known_encoding
from engram.training.device import device_of
from engram.training.evaluation import mean_loss

S = TypeVar("S", bound=Settings)


def slice_of(settings: Any, kind: type[S]) -> S:
    """The settings of one kind, among all of a task."""
    return kind(**{name: getattr(settings, name) for name in kind.model_fields})


@dataclass(frozen=True)
class Part:
    """Some examples, as numbers.

    Attributes:
        examples: As they were read.
        sequences: What the model reads.
        targets: What is asked, ``(n,)``; None where nothing is.
    """

    examples: Examples
    sequences: Sequences
    targets: Tensor | None


def read_split(
    settings: ExampleSettings, seed: int, numbers: bool
) -> tuple[Parts[Examples], Found]:
    """Read training, validation and test part.

    Args:
        settings: Which files, and which shares.
        seed: Of the split.
        numbers: Whether targets are numbers, not labels.

    Returns:
        The parts, and what was found in the files to train on.

    Raises:
        DataError: As `read_examples` does.
    """
    start = known_encoding(settings)
    media: list[Medium] = [slice_of(settings, SoundSettings), slice_of(settings, ImageSettings)]
    if start is not None:
        media = media_of(start) or media
    found = read_examples(settings.data, settings, numbers=numbers, media=media)
    told = list(found.warnings)

    def own(files: Sequence[str]) -> Examples:
        same, medium = with_roles(settings, found.roles), found.examples.medium
        known = media if medium is None else [medium]
        other = read_examples(files, same, numbers=numbers, media=known)
        told.extend(other.warnings)
        return other.examples

    parts = split(settings, seed, found.examples, own, in_turn(split_examples))
    sizes = [0 if part is None else len(part) for part in parts]
    shares = f"{sizes[0]:,} to train, {sizes[1]:,} to validate, {sizes[2]:,} to test"
    told = list(dict.fromkeys(told))
    return parts, replace(found, about=[*found.about, shares], warnings=told)


def tell(notes: Sequence[str]) -> None:
    """Warn of what reading found, where no training tells it."""
    for note in notes:
        warnings.warn(note, EngramWarning, stacklevel=2)


def batch_of(part: Part, rows: np.ndarray) -> SequenceBatch:
    """The sequences with these numbers side by side."""
    inputs, lengths = padded(part.sequences, rows)
    targets = None if part.targets is None else part.targets[torch.from_numpy(rows)]
    return SequenceBatch(inputs, lengths, targets, rows, int(lengths.sum()))


def make_model(settings: ManyToOneSettings, encoding: Encoding, outputs: int) -> ManyToOne:
    """The untrained model that reads an encoding, with a given number of outputs."""
    tokens = isinstance(encoding, TextEncoding)
    return ManyToOne(encoding.width, outputs, settings, tokens=tokens)


class Learnt(Protocol):
    """What was learnt on the training part, and makes numbers of examples."""

    @property
    def encoding(self) -> Encoding:
        """How inputs become numbers."""

    def part(self, examples: Examples) -> Part:
        """Examples as numbers."""

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""


def joined_data(
    learnt: Learnt,
    parts: Sequence[Examples | None],
    about: Sequence[str],
    warnings: Sequence[str],
) -> Data:
    """All parts as numbers, with what was read and learnt.

    Args:
        learnt: On the training part.
        parts: To train, to validate and to test.
        about, warnings: See `Data`; lengths are added.
    """
    made = [None if part is None else learnt.part(part) for part in parts]
    digest = ".".join(part.digest() for part in parts if part is not None)
    lengths = made[0].sequences.lengths  # type: ignore[union-attr]
    steps = f"{lengths.min():,} to {lengths.max():,} steps, {lengths.mean():,.0f} on average"
    encoding, texts = learnt.encoding, parts[0].inputs  # type: ignore[union-attr]
    if isinstance(encoding, TextEncoding) and not isinstance(texts, Sequences):
        warnings = [*warnings, *cautions(encoding.tokenizer, texts)]
    return Data(made[0], made[1], made[2], learnt, digest, [*about, steps], list(warnings))


def source(settings: Any, data: Data) -> Buckets:
    """Batches of the training part, changed at random where that is asked for.

    Raises:
        ConfigError: For changes of texts where there are values, and such that cannot be.
    """
    part: Part = data.train
    own = slice_of(settings, BucketSettings)
    changes = slice_of(settings, SeriesAugmentation)
    width = len(part.sequences.columns)
    changing = width > 0 and changes != SeriesAugmentation()
    noise = _noise(settings, data.preprocess.encoding, part)
    alter = _media_changes(settings, data.preprocess.encoding)

    def make(rows: np.ndarray, epoch: int) -> SequenceBatch:
        batch = batch_of(part, rows)
        if noise is not None:
            inputs = noise.apply(batch.inputs, seed_of(epoch, *rows.tolist()))
            return replace(batch, inputs=inputs)
        if changing:
            batch = _changed(batch, width, changes, [settings.seed, epoch])
        return batch if alter is None else alter(batch, seed_of(settings.seed, epoch, 1))

    return Buckets(part.sequences.lengths, make, own, settings.seed)


def _noise(settings: Any, encoding: Encoding, part: Part) -> TokenNoise | None:
    changes = slice_of(settings, TokenAugmentation)
    if isinstance(encoding, TextEncoding):
        return TokenNoise.make(changes, encoding.tokenizer, part.sequences.values, settings.seed)
    if changes != TokenAugmentation():
        raise ConfigError(
            "drop_tokens and replace_tokens apply to texts, but the model reads numeric columns; "
            "leave them out"
        )
    return None


def _media_changes(
    settings: Any, encoding: Encoding
) -> Callable[[SequenceBatch, int], SequenceBatch] | None:
    """What changes the sounds or images of a batch at random; None where nothing is asked for."""
    medium = next(iter(media_of(encoding)), None)
    changes: SoundChanges | ImageChanges | None = None
    sounds, images = slice_of(settings, SoundAugmentation), slice_of(settings, ImageAugmentation)
    for asked, kind, what in ((sounds, SoundSettings, "sounds"), (images, ImageSettings, "images")):
        given = [name for name, value in asked if value != getattr(type(asked)(), name)]
        if given and not isinstance(medium, kind):
            raise ConfigError(
                f"{', '.join(given)} apply to {what}, but the model reads none; leave them out"
            )
    if not isinstance(encoding, ValueEncoding):
        return None
    if isinstance(medium, SoundSettings) and sounds != SoundAugmentation():
        changes = SoundChanges.make(sounds, medium, encoding.scale)
    elif isinstance(medium, ImageSettings) and images != ImageAugmentation():
        changes = ImageChanges(images, medium, encoding.scale)
    if changes is None:
        return None
    apply, width = changes.apply, len(encoding.columns)

    def alter(batch: SequenceBatch, seed: int) -> SequenceBatch:
        generator = torch.Generator().manual_seed(seed_of(seed, *batch.rows.tolist()))
        values = apply(batch.inputs[..., :width], batch.lengths, generator)
        return replace(batch, inputs=torch.cat([values, batch.inputs[..., width:]], dim=2))

    return alter


def _changed(
    batch: SequenceBatch, width: int, changes: SeriesAugmentation, seeds: list[int]
) -> SequenceBatch:
    """The batch with its values changed at random; what tells of missing ones moves with them."""
    values, told = batch.inputs[..., :width], batch.inputs[..., width:]
    if told.shape[2]:
        values = values.masked_fill(told > 0, torch.nan)
    generator = torch.Generator().manual_seed(seed_of(*seeds, *batch.rows.tolist()))
    inputs, lengths = augment_series(values, batch.lengths, changes, generator)
    if told.shape[2]:
        inputs = torch.cat([inputs.nan_to_num(0.0), inputs.isnan().to(inputs.dtype)], dim=2)
    return replace(batch, inputs=inputs, lengths=lengths)


def mean_cost(
    model: nn.Module, part: Part, settings: Any, cost: Callable[[Tensor, Any], Tensor]
) -> float:
    """The mean over a part of a cost that adds up over rows; see `mean_loss`."""

    def loss(batch: SequenceBatch) -> tuple[Tensor, float]:
        outputs, _ = model(batch.inputs, batch.lengths)
        return cost(outputs, batch.targets), batch.terms

    return mean_loss(model, _in_order(part, settings), loss)


@torch.inference_mode()
def answers(model: nn.Module, part: Part, settings: Any) -> tuple[Tensor, list[Tensor | None]]:
    """What a model answers, in the order of the examples.

    Returns:
        ``(n, O)``, and for each the attention on its steps, ``(T_i,)``, or None; on the CPU.
    """
    model.eval()
    outputs: dict[int, Tensor] = {}
    attention: dict[int, Tensor | None] = {}
    device = device_of(model)
    for batch in _in_order(part, settings):
        given, weights = model(batch.inputs.to(device), batch.lengths.to(device))
        given, weights = given.cpu(), None if weights is None else weights.cpu()
        for place, row in enumerate(batch.rows.tolist()):
            outputs[row] = given[place]
            length = int(batch.lengths[place])
            attention[row] = None if weights is None else weights[place, :length]
    order = range(len(part.sequences))
    return torch.stack([outputs[row] for row in order]), [attention[row] for row in order]


def probe_of(part: Part, settings: Any, cost: Callable[[Tensor, Any], Tensor]) -> Probe:
    """Single losses of examples; a context is the last steps of each.

    Args:
        part: The examples.
        settings: Of the training.
        cost: ``cost(outputs, targets)``: that of each row, ``(B,)``.
    """
    lengths = part.sequences.lengths
    asked = np.ones(len(lengths), dtype=bool)
    if part.targets is not None and not part.targets.is_floating_point():
        asked = (part.targets >= 0).numpy()  # labels that training had not have no loss
    longest, chosen = choose_targets(np.where(asked, lengths, 0), settings.seed)

    def losses(model: nn.Module, some: slice, context: int | None) -> Single:
        batch = batch_of(part, chosen[some]).to(device_of(model))
        inputs, own = batch.inputs, batch.lengths
        if context is not None:
            steps = torch.arange(context, device=own.device).unsqueeze(1) + (own - context)
            inputs = inputs[steps, torch.arange(len(own), device=own.device)]
            own = torch.full_like(own, context)
        outputs, _ = model(inputs, own)
        return Single(cost(outputs, batch.targets))

    return Probe(losses, len(chosen), longest, "steps")


def _in_order(part: Part, settings: Any) -> Iterator[SequenceBatch]:
    own = BucketSettings(batch=max(64, settings.batch), batch_steps=settings.batch_steps)
    return in_order(part.sequences.lengths, lambda rows: batch_of(part, rows), own)
