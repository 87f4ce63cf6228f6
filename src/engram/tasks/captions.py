"""Captions, and what they are about, as the data of a captioning: settings, numbers, parts."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engram.data.arrays.scaling import Scaling
from engram.data.arrays.sequences import Sequences
from engram.data.builtin.scenes import scenes
from engram.data.images.captions import Captions, read_captions
from engram.data.text.tokens import Tokenizer, cautions, fit_tokenizer, tokenizer_from_plain
from engram.errors import ConfigError, DataError
from engram.tasks.held_out import Parts, at_once, split
from engram.tasks.outlines.caption import (
    CaptionPartSettings,
    CaptionSettings,
    CaptionsSettings,
    Kind,
)
from engram.tasks.task import Data
from engram.tasks.writing import encoded

SCENES = "scenes"


@dataclass(frozen=True)
class Meaning:
    """How what is given becomes numbers, and tokens sentences.

    Attributes:
        tokenizer: Of the captions.
        longest: Most tokens of a caption in training, END included.
        about: What captions are about.
        shape: (C, Y, X) of images; else None.
        classes: Names of the classes, sorted; else None.
        scaling: Of numbers; else None.
    """

    tokenizer: Tokenizer
    longest: int
    about: Kind
    shape: tuple[int, int, int] | None = None
    classes: list[str] | None = None
    scaling: Scaling | None = None

    def part(self, captions: Captions) -> "Part":
        """Captions as tokens: an example for each caption.

        Raises:
            DataError: For what does not fit the training part.
        """
        owners = np.repeat(np.arange(len(captions)), [len(texts) for texts in captions.texts])
        texts = [text for each in captions.texts for text in each]
        return Part(captions, self.numbers(captions.given), encoded(self.tokenizer, texts), owners)

    def numbers(self, given: np.ndarray | list[str]) -> np.ndarray:
        """What is given, as numbers: images uint8, classes ``(N,)`` int64, vectors float32.

        Raises:
            DataError: For a class that training had not, or another shape.
        """
        if self.classes is not None:
            place = {name: index for index, name in enumerate(self.classes)}
            for name in given:
                if name not in place:
                    shown = ", ".join(self.classes[:8])
                    raise DataError(
                        f"class '{name}' did not occur in the training set, which has {shown}"
                        + (", …" if len(self.classes) > 8 else "")
                    )
            return np.array([place[name] for name in given], dtype=np.int64)
        made = np.asarray(given)
        expected = self.shape or (len(self.scaling.mean),) if self.scaling else self.shape
        if made.shape[1:] != expected:
            raise DataError(
                f"the input has shape {made.shape}; it must be (N, …) with examples of shape "
                f"{expected}, as in training"
            )
        return made if self.scaling is None else self.scaling.apply(made)

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        return {
            "tokenizer": self.tokenizer.plain(),
            "longest": self.longest,
            "about": self.about,
            "shape": None if self.shape is None else list(self.shape),
            "classes": self.classes,
            "scaling": None if self.scaling is None else self.scaling.plain(),
        }

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> "Meaning":
        """Undo `plain`.

        Raises:
            DataError: For anything else.
        """
        tokenizer = tokenizer_from_plain(value.get("tokenizer"))
        try:
            shape, classes = value["shape"], value["classes"]
            about, longest = value["about"], int(value["longest"])
            if about not in ("images", "classes", "numbers"):
                raise ValueError(about)
            scaling = Scaling.from_plain(value["scaling"]) if about == "numbers" else None
            channels, height, width = map(int, shape) if about == "images" else (1, 1, 1)
            names = [str(name) for name in classes] if about == "classes" else None
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"the stored description of caption inputs is damaged ({error}); restore "
                "preprocess.json"
            ) from None
        size = (channels, height, width) if about == "images" else None
        return cls(tokenizer, longest, about, size, names, scaling)


@dataclass(frozen=True)
class Part:
    """Some captions, as numbers.

    Attributes:
        captions: As they were read.
        given: What they are about, as numbers, ``(N, …)``.
        targets: Tokens of every caption, n of them.
        owners: Which of the N each caption is about, ``(n,)``.
    """

    captions: Captions
    given: np.ndarray
    targets: Sequences
    owners: np.ndarray


def make_data(
    settings: CaptionSettings,
    parts: Sequence[Captions | None],
    about: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> Data:
    """Learn vocabulary, classes and scaling on the training part, and turn all parts into numbers.

    Args:
        settings: How texts become tokens.
        parts: To train, to validate and to test; the first is needed.
        about, warnings: See `Data`.

    Raises:
        DataError: For nothing to train on, and a class that only the other parts have.
    """
    train = parts[0]
    if train is None or not len(train):
        raise DataError("the training data contains no captions; give at least two")
    texts = [text for each in train.texts for text in each]
    tokenizer = fit_tokenizer(settings.tokens, texts, settings.vocabulary)
    longest = int(encoded(tokenizer, texts).lengths.max())
    meaning = Meaning(tokenizer, longest, settings.about)
    if settings.about == "images":
        _, channels, height, width = np.shape(train.given)
        meaning = Meaning(tokenizer, longest, settings.about, shape=(channels, height, width))
        what = f"images of {height} by {width} pixels, {channels} channels"
    elif settings.about == "classes":
        meaning = Meaning(tokenizer, longest, settings.about, classes=sorted(set(train.given)))
        what = f"{len(meaning.classes or [])} classes"
    else:
        scaling = Scaling.learnt(np.asarray(train.given))
        meaning = Meaning(tokenizer, longest, settings.about, scaling=scaling)
        what = f"{len(scaling.mean)} numbers each"
    made = [None if part is None else meaning.part(part) for part in parts]
    digest = hashlib.blake2b(digest_size=16)
    for part in made:
        if part is not None:
            digest.update(np.ascontiguousarray(part.given).tobytes())
            digest.update(part.targets.values.tobytes() + part.owners.tobytes())
    sizes = [0 if part is None else len(part.captions) for part in made]
    lines = [
        *about,
        f"{sizes[0]:,} to train, {sizes[1]:,} to validate, {sizes[2]:,} to test: {what}",
        f"{len(texts):,} captions, the first: {texts[0][:60]!r}",
        f"{tokenizer.size:,} different {tokenizer.unit} are written",
    ]
    told = [*warnings, *cautions(tokenizer, texts, "caption text")]
    return Data(made[0], made[1], made[2], meaning, digest.hexdigest(), lines, told)


def read(settings: CaptionSettings) -> Data:
    """Read all data that the settings name.

    Raises:
        ConfigError: For images without Pillow.
        DataError: As `make_data` and `read_captions`.
    """
    if _is_scenes(settings.data):
        _check_scenes(settings)
        made = [(settings.made, 0), (1000, 1), (2000, 2)]
        parts = [_scenes(count, settings.seed, part) for count, part in made]
        return make_data(settings, parts, ["scenes of shapes, drawn from the seed"])
    whole = _read(settings.data[0], settings, _kind_of(settings))
    warnings = [*whole.notes]
    if whole.skipped:
        warnings.append(
            f"{len(whole.skipped):,} images could not be read and were left out, the first "
            f"is {whole.skipped[0]}"
        )
    columns = [f"{' and '.join(whole.columns[:-1])} in, {whole.columns[-1]} out"]
    return make_data(settings, split_captions(settings, whole), columns, warnings)


def split_captions(settings: CaptionSettings, whole: Captions) -> Parts[Captions]:
    """The parts to train, to validate and to test.

    Raises:
        DataError: As `read_captions`.
    """

    def own(files: Sequence[str]) -> Captions:
        return _read(files[0], settings, _kind_of(settings))

    return split(settings, settings.seed, whole, own, at_once)


def read_judged(judging: CaptionsSettings, meaning: Meaning) -> Captions:
    """The captions that an evaluation names; scenes are other ones than those of the test part.

    Raises:
        ConfigError, DataError: As `read`.
    """
    if _is_scenes(judging.data):
        return _scenes(2000, 1, 2)
    return _read(judging.data[0], judging, (meaning.about, meaning.shape or (3, 32, 32)))


def _kind_of(settings: CaptionPartSettings) -> tuple[Kind, tuple[int, int, int]]:
    return settings.about, (1 if settings.grey else 3, settings.height, settings.width)


def _read(
    path: str, settings: CaptionsSettings, kind: tuple[Kind, tuple[int, int, int]]
) -> Captions:
    about, (channels, height, width) = kind
    return read_captions(
        path,
        kind=about,
        columns=settings.columns,
        size=(height, width),
        channels=channels,
        broken=settings.broken,
        encoding=settings.encoding,
        errors=settings.errors,
        given=settings,
    )


def _is_scenes(data: Sequence[str]) -> bool:
    return list(data) == [SCENES]


def _check_scenes(settings: CaptionPartSettings) -> None:
    if _kind_of(settings) != ("images", (3, 32, 32)):
        raise ConfigError(
            "scenes are images of 32 by 32 pixels in colour; leave out --about, --height, --width "
            "and --grey"
        )


def _scenes(count: int, seed: int, part: int) -> Captions:
    images, captions = scenes(count, seed=3 * seed + part)
    return Captions(images, [[text] for text in captions], ("image", "caption"))
