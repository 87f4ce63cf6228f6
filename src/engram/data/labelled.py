"""Examples: sequences, or texts, and what is to be answered for each."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from engram.data.sequences import Sequences
from engram.errors import DataError

Targets = list[str] | np.ndarray


@dataclass(frozen=True)
class Examples:
    """What a many-to-one model learns from.

    Attributes:
        inputs: Texts, or sequences of values.
        targets: A label for each, or a number, ``(n,)`` float64; None where they are to be
            predicted.
        names: Where each came from, such as ``reviews.csv line 3``; empty where they came from
            memory.
    """

    inputs: list[str] | Sequences
    targets: Targets | None = None
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.targets is not None and len(self.targets) != len(self.inputs):
            raise DataError(
                f"there are {len(self.inputs)} sequences and {len(self.targets)} targets; give one "
                "target for each"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def name(self, index: int) -> str:
        """Where an example came from, for a message."""
        return self.names[index] if self.names else f"sequence {index}"

    def take(self, indices: Sequence[int] | np.ndarray) -> Self:
        """Those examples, in that order."""
        chosen = [int(index) for index in indices]
        inputs, targets = self.inputs, self.targets
        return type(self)(
            inputs.take(chosen)
            if isinstance(inputs, Sequences)
            else [inputs[index] for index in chosen],
            [targets[index] for index in chosen]
            if isinstance(targets, list)
            else None
            if targets is None
            else targets[chosen],
            [self.names[index] for index in chosen] if self.names else [],
        )

    def digest(self) -> str:
        """Tells whether the same examples were read again."""
        digest = hashlib.blake2b(digest_size=16)
        if isinstance(self.inputs, Sequences):
            digest.update(self.inputs.offsets.tobytes())
            digest.update(np.ascontiguousarray(self.inputs.values).data)
        else:
            for text in self.inputs:
                digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
        for target in () if self.targets is None else self.targets:
            digest.update(f"{target}\0".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def split(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    """Take a share of the examples apart, drawn by the seed: of every label alike, where there are
    labels.

    Args:
        examples: All of them.
        share: Of those taken apart, 0 to under 1. At least one example of every label stays.
        seed: Of the draw.

    Returns:
        What stays, and what was taken.
    """
    draw = np.random.default_rng([seed, 0x5E1])
    groups: dict[str, list[int]] = {}
    labels = examples.targets if isinstance(examples.targets, list) else [""] * len(examples)
    for index, label in enumerate(labels):
        groups.setdefault(label, []).append(index)
    taken: list[int] = []
    wanted = 0.0
    for group in groups.values():
        wanted += share * len(group)  # carried on, so that small groups give their share together
        count = min(len(group) - 1, round(wanted - len(taken)))
        taken += draw.permutation(group)[: max(0, count)].tolist()
    chosen = set(taken)
    stays = [index for index in range(len(examples)) if index not in chosen]
    return examples.take(stays), examples.take(sorted(taken))
