"""Examples: sequences, or texts, and what is to be answered for each."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from engram.data.arrays.places import Places
from engram.data.arrays.sequences import Sequences
from engram.data.arrays.spool import let_go, stretches
from engram.data.settings import ImageSettings, SoundSettings
from engram.data.text.texts import Texts
from engram.errors import DataError

Targets = list[str] | np.ndarray
Medium = SoundSettings | ImageSettings  # what values were made of, and how


@dataclass(frozen=True)
class Examples:
    """What a many-to-one model learns from.

    Attributes:
        inputs: Texts, or sequences of values.
        targets: A label for each, or a number, ``(n,)`` float64; None where they are to be
            predicted.
        names: Where each came from, such as ``reviews.csv line 3``; empty where they came from
            memory.
        medium: What the values were made of, and how; None for texts and numbers.
    """

    inputs: Sequence[str] | Sequences
    targets: Targets | None = None
    names: Sequence[str] = field(default_factory=list)
    medium: Medium | None = None

    def __post_init__(self) -> None:
        if self.targets is not None and len(self.targets) != len(self.inputs):
            raise DataError(
                f"there are {len(self.inputs)} sequences and {len(self.targets)} targets; give one "
                "target per sequence"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def name(self, index: int) -> str:
        """Where an example came from, for a message."""
        return self.names[index] if self.names else f"sequence {index}"

    def take(self, indices: Sequence[int] | np.ndarray) -> Self:
        """Those examples, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        targets = None if self.targets is None else taken(self.targets, chosen)
        names = taken(self.names, chosen) if self.names else []
        return type(self)(taken(self.inputs, chosen), targets, names, self.medium)

    def digest(self) -> str:
        """Tells whether the same examples were read again."""
        digest = hashlib.blake2b(digest_size=16)
        if isinstance(self.inputs, Sequences):
            digest.update(self.inputs.offsets.tobytes())
            for stretch in stretches(len(self.inputs.values)):
                digest.update(np.ascontiguousarray(self.inputs.values[stretch]).data)
                let_go(self.inputs.values)
        else:
            for text in self.inputs:
                digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
        for target in () if self.targets is None else self.targets:
            digest.update(f"{target}\0".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def taken(given: Any, indices: np.ndarray) -> Any:
    """Those of a list, an array, or of what has a ``take`` of its own."""
    if isinstance(given, np.ndarray):
        return given[indices]
    if isinstance(given, Sequences | Texts | Places):
        return given.take(indices)
    return [given[index] for index in indices]


def split_examples(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples | None]:
    """Take a share of the examples apart, drawn by the seed: of every label alike, where there are
    labels.

    Args:
        examples: All of them.
        share: Of those taken apart, 0 to under 1. At least one example of every label stays.
        seed: Of the draw.

    Returns:
        What stays, and what was taken; None where that is nothing.
    """
    draw = np.random.default_rng([seed, 0x5E1])
    codes = np.zeros(len(examples), dtype=np.int32)
    if isinstance(examples.targets, list):
        known: dict[str, int] = {}
        for index, label in enumerate(examples.targets):
            codes[index] = known.setdefault(label, len(known))
    apart = np.zeros(len(examples), dtype=bool)
    wanted, count = 0.0, 0
    by_label = np.argsort(codes, kind="stable")
    for group in np.split(by_label, np.flatnonzero(np.diff(codes[by_label])) + 1):
        wanted += share * len(group)  # carried on, so that small groups give their share together
        most = max(0, min(len(group) - 1, round(wanted - count)))
        apart[draw.permutation(group)[:most]] = True
        count += most
    chosen = examples.take(np.flatnonzero(apart)) if apart.any() else None
    return examples.take(np.flatnonzero(~apart)), chosen
