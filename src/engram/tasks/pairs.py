"""Pairs of texts as the data of a translation: settings, vocabularies, parts."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from engram.data.arrays.sequences import Sequences
from engram.data.builtin.dates import date_pairs
from engram.data.labelled.pairs import Pairs, read_pairs
from engram.data.text.tokens import Tokenizer, cautions, fit_tokenizer, tokenizer_from_plain
from engram.errors import DataError
from engram.tasks.held_out import Parts, at_once, split
from engram.tasks.outlines.translate import PairSettings, TranslateSettings
from engram.tasks.task import Data
from engram.tasks.writing import encoded

DATES = "dates"


@dataclass(frozen=True)
class Vocabularies:
    """How texts become tokens, and tokens texts.

    Attributes:
        source, target: Of what is read, and of what is written.
        longest: Most tokens of a source and of a target in training, END included.
    """

    source: Tokenizer
    target: Tokenizer
    longest: tuple[int, int]

    def part(self, pairs: Pairs) -> "Part":
        """Pairs as tokens."""
        return Part(pairs, encoded(self.source, pairs.sources), encoded(self.target, pairs.targets))

    def limit(self, length: int) -> int:
        """Most tokens that are written for a source of this many.

        As many as in training; more where the source is longer than any there.
        """
        return round(self.longest[1] * max(1.0, length / self.longest[0]))

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        return {
            "source": self.source.plain(),
            "target": self.target.plain(),
            "longest": list(self.longest),
        }

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> "Vocabularies":
        """Undo `plain`.

        Raises:
            DataError: For anything else.
        """
        longest = value.get("longest")
        if (
            not isinstance(longest, list)
            or len(longest) != 2
            or not all(isinstance(n, int) and n > 0 for n in longest)
        ):
            raise DataError("the stored maximum lengths are damaged; restore preprocess.json")
        source, target = (tokenizer_from_plain(value.get(name)) for name in ("source", "target"))
        return cls(source, target, (longest[0], longest[1]))


@dataclass(frozen=True)
class Part:
    """Some pairs, as texts and as tokens."""

    pairs: Pairs
    sources: Sequences
    targets: Sequences


def make_data(
    settings: TranslateSettings,
    parts: Sequence[Pairs | None],
    about: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> Data:
    """Learn vocabularies on the training part, and turn all parts into tokens.

    Args:
        settings: How texts become tokens.
        parts: To train, to validate and to test; the first is needed.
        about, warnings: See `Data`.

    Raises:
        DataError: For nothing to train on.
    """
    train = parts[0]
    if train is None or not len(train):
        raise DataError("the training data contains no pairs; give at least two")
    tokenizers = [
        fit_tokenizer(settings.tokens, texts, settings.vocabulary)
        for texts in (train.sources, train.targets)
    ]
    first = Vocabularies(tokenizers[0], tokenizers[1], (1, 1)).part(train)
    longest, mean = zip(*map(_longest_and_mean, (first.sources, first.targets)), strict=True)
    vocabularies = Vocabularies(tokenizers[0], tokenizers[1], longest)
    made = [first, *(None if part is None else vocabularies.part(part) for part in parts[1:])]
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        for text in [] if part is None else chain(part.sources, part.targets):
            digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    sizes = [0 if part is None else len(part) for part in parts]
    lines = [
        *about,
        f"{sizes[0]:,} pairs to train, {sizes[1]:,} to validate, {sizes[2]:,} to test",
        f"the first: {_short(train.sources[0])} → {_short(train.targets[0])}",
        f"{tokenizers[0].size:,} different {tokenizers[0].unit} are read and "
        f"{tokenizers[1].size:,} written, {mean[0]:.1f} and {mean[1]:.1f} per text",
    ]
    told = [
        *warnings,
        *cautions(vocabularies.source, train.sources, "source text"),
        *cautions(vocabularies.target, train.targets, "target text"),
    ]
    return Data(made[0], made[1], made[2], vocabularies, digest.hexdigest(), lines, told)


def read(settings: TranslateSettings) -> Data:
    """Read all data that the settings name.

    Raises:
        ConfigError: For dates without Babel.
        DataError: As `make_data` and `read_pairs`.
    """
    if _is_dates(settings.data):
        made = {"train": settings.made, "valid": 1000, "test": 4000}
        parts: list[Pairs | None] = [
            _dates(count, part, settings.seed) for part, count in made.items()
        ]
        return make_data(settings, parts, ["dates in many languages; each day is in one part only"])
    whole = _read(settings.data, settings)
    warnings = [*whole.notes]
    if whole.skipped:
        warnings.append(
            f"{len(whole.skipped):,} lines have an empty side and were left out, the first is "
            f"line {whole.skipped[0]:,}"
        )
    return make_data(settings, split_pairs(settings, whole), [], warnings)


def split_pairs(settings: TranslateSettings, whole: Pairs) -> Parts[Pairs]:
    """The parts to train, to validate and to test.

    Raises:
        DataError: As `read_pairs`.
    """
    return split(settings, settings.seed, whole, lambda files: _read(files, settings), at_once)


def read_judged(judging: PairSettings) -> Pairs:
    """The pairs that an evaluation names; dates are other ones than those of the test part.

    Raises:
        ConfigError, DataError: As `read`.
    """
    if _is_dates(judging.data):
        return _dates(4000, "test", 1)
    return _read(judging.data, judging)


def _read(files: Sequence[str], settings: PairSettings) -> Pairs:
    return read_pairs(
        files,
        columns=settings.columns,
        encoding=settings.encoding,
        errors=settings.errors,
        given=settings,
    )


def _is_dates(data: Sequence[str]) -> bool:
    return list(data) == [DATES]


def _dates(count: int, part: str, seed: int) -> Pairs:
    sources, targets = zip(*date_pairs(count, part, seed=seed), strict=True)
    return Pairs(list(sources), list(targets))


def _longest_and_mean(sequences: Sequences) -> tuple[int, float]:
    lengths = sequences.lengths  # large, so not kept
    return int(lengths.max()), float(lengths.mean())


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")
