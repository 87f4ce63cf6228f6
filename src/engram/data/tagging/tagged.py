"""Tagged: sequences of words, or of values, with a tag for each step."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Self

import numpy as np

from engram.data.arrays.places import joined
from engram.data.arrays.sequences import Sequences
from engram.data.text.texts import Texts
from engram.errors import DataError


@dataclass(frozen=True)
class Lists:
    """Lists of texts, in one flat array: sentences of words, or the tags of sentences.

    Attributes:
        texts: Of all lists, one after another.
        offsets: List i is ``texts[offsets[i]:offsets[i + 1]]``; ``(n + 1,)`` int64.
    """

    texts: Texts
    offsets: np.ndarray

    @classmethod
    def of(cls, lists: Iterable[Sequence[str]]) -> Self:
        """Lay lists one after another; they may come from a generator, and are not kept."""
        offsets = [0]

        def each() -> Iterable[str]:
            for some in lists:
                offsets.append(offsets[-1] + len(some))
                yield from some

        texts = Texts.of(each())
        return cls(texts, np.array(offsets, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> list[str]:
        index = range(len(self))[index]
        return list(self.texts[int(self.offsets[index]) : int(self.offsets[index + 1])])

    @property
    def lengths(self) -> np.ndarray:
        """Texts of each, ``(n,)`` int64."""
        return np.diff(self.offsets)

    def take(self, indices: np.ndarray) -> Self:
        """Those lists, in that order; their characters are shared."""
        ranges = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in indices]
        chosen = np.concatenate(ranges) if ranges else np.zeros(0, dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum(self.lengths[indices])]).astype(np.int64)
        return type(self)(self.texts.take(chosen), offsets)


@dataclass(frozen=True)
class Tagged:
    """What a tagger learns from.

    Attributes:
        inputs: Words, or values, of each sequence.
        tags: As many for each sequence; None where they are to be predicted.
        names: Where each sequence came from, such as ``train.conll line 3``.
    """

    inputs: Lists | Sequences
    tags: Lists | None = None
    names: Sequence[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not len(self.inputs):
            raise DataError("there are no sequences; give at least one")
        lengths = self.inputs.lengths
        if not lengths.all():
            empty = int(np.argmin(lengths))
            raise DataError(f"{self.name(empty)} has no steps; leave it out")
        if self.tags is None:
            return
        if len(self.tags) != len(lengths):
            raise DataError(
                f"there are {len(lengths):,} sequences but tags for {len(self.tags):,}; give tags "
                "for each sequence"
            )
        differ = np.flatnonzero(self.tags.lengths != lengths)
        if len(differ):
            first = int(differ[0])
            raise DataError(
                f"{self.name(first)} has {lengths[first]:,} steps but {self.tags.lengths[first]:,} "
                "tags; give one tag per step"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def name(self, index: int) -> str:
        """Where a sequence came from, for a message."""
        return self.names[index] if self.names else f"sequence {index}"

    def take(self, indices: np.ndarray) -> Self:
        """Those sequences, in that order; at least one."""
        tags = None if self.tags is None else self.tags.take(indices)
        names = [self.names[int(index)] for index in indices] if self.names else []
        return type(self)(self.inputs.take(indices), tags, names)

    def digest(self) -> str:
        """Tells whether the same sequences were read again."""
        digest = hashlib.blake2b(self.inputs.offsets.tobytes(), digest_size=16)
        if isinstance(self.inputs, Sequences):
            digest.update(np.ascontiguousarray(self.inputs.values).data)
        texts = [self.inputs.texts] if isinstance(self.inputs, Lists) else []
        for text in chain(*texts, self.tags.texts if self.tags else []):
            digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
        return digest.hexdigest()


def split_tagged(tagged: Tagged, share: float, seed: int) -> tuple[Tagged, Tagged | None]:
    """Take a share of the sequences apart, drawn by the seed; every tag stays at least once.

    Returns:
        What stays, and what was taken; None where that is nothing.
    """
    count = min(len(tagged) - 1, round(share * len(tagged)))
    if count <= 0:
        return tagged, None
    order = np.random.default_rng([seed, 0x7A6]).permutation(len(tagged))
    stays = order[count:].tolist()
    taken: list[int] = []
    tags = tagged.tags
    known = {tag for row in stays for tag in tags[row]} if tags is not None else set()
    for row in order[:count].tolist():
        own = [] if tags is None else tags[row]
        (taken if known.issuperset(own) else stays).append(row)
        known.update(own)
    apart = tagged.take(np.sort(taken)) if taken else None
    return tagged.take(np.sort(stays)), apart


def together(parts: Sequence[Tagged]) -> Tagged:
    """What several files hold, one after the other.

    Raises:
        DataError: For words in some and values in others, other columns, or tags in some only.
    """
    if len(parts) == 1:
        return parts[0]
    words = [part.inputs for part in parts if isinstance(part.inputs, Lists)]
    series = [part.inputs for part in parts if isinstance(part.inputs, Sequences)]
    tags = [part.tags for part in parts if part.tags is not None]
    if words and series:
        raise DataError("some files contain words and others values; give files of one kind")
    if len({each.columns for each in series}) > 1:
        raise DataError("the files have different columns; give files with the same columns")
    if len(tags) not in (0, len(parts)):
        raise DataError("some files have tags and others do not; give files of one kind")
    inputs = Sequences.of(chain(*series), series[0].columns) if series else _chained(words)
    return Tagged(inputs, _chained(tags) if tags else None, joined([p.names for p in parts]))


def _chained(parts: Sequence[Lists]) -> Lists:
    return Lists.of(part[index] for part in parts for index in range(len(part)))
