"""The parts that are held out of the data: files of their own, or fractions drawn by the seed."""

from collections.abc import Callable, Sequence
from typing import Protocol, Self, TypeVar

import numpy as np

from engram.tasks.outlines.split import SplitSettings


class Rows(Protocol):
    """What is split: examples, pairs, captions, sequences with tags."""

    def __len__(self) -> int: ...

    def take(self, indices: np.ndarray, /) -> Self:
        """Those rows, in that order."""


R = TypeVar("R", bound=Rows)
Parts = tuple[R, R | None, R | None]
Draw = Callable[[R, float, float, int], Parts[R]]
"""``draw(whole, valid, test, seed)``: what is left for training, and the fractions asked for."""


def split(
    settings: SplitSettings, seed: int, whole: R, read: Callable[[Sequence[str]], R], draw: Draw[R]
) -> Parts[R]:
    """The parts to train, to validate and to test.

    Args:
        settings: Which fractions, or files.
        seed: Of the draw.
        whole: What the training's own files contain.
        read: Reads the files of another part.
        draw: Draws the fractions.
    """
    valid, test = settings.held_fraction("valid"), settings.held_fraction("test")
    left, drawn_valid, drawn_test = draw(whole, valid, test, seed)
    return (
        left,
        read(settings.valid_data) if settings.valid_data else drawn_valid,
        read(settings.test_data) if settings.test_data else drawn_test,
    )


def at_once(whole: R, valid: float, test: float, seed: int) -> Parts[R]:
    """Fractions of the whole, from one order of its rows; each part keeps the order of the file."""
    order = np.random.default_rng([seed, 1]).permutation(len(whole))
    first, second = (round(fraction * len(whole)) for fraction in (valid, test))
    taken, tested, left = np.split(order, [first, first + second])

    def part(rows: np.ndarray) -> R:
        rows.sort()  # in its place: a corpus has many
        return whole.take(rows)

    return part(left), part(taken) if len(taken) else None, part(tested) if len(tested) else None


def in_turn(one: Callable[[R, float, int], tuple[R, R | None]]) -> Draw[R]:
    """Take the test part from the whole, and the validation part from what is then left.

    Args:
        one: ``one(rows, fraction, seed)``: what stays, and what is taken.
    """

    def draw(whole: R, valid: float, test: float, seed: int) -> Parts[R]:
        left, tested = one(whole, test, seed + 1) if test else (whole, None)
        left, taken = one(left, valid, seed + 2) if valid else (left, None)
        return left, taken, tested

    return draw
