"""Points: the sizes at which layers are measured, and the data that both sides are given."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Point:
    """Sizes of one measurement: B rows of T steps, I inputs, H units."""

    batch: int
    steps: int
    inputs: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.batch}, {self.steps}, {self.inputs}, {self.hidden}"


POINTS = (
    Point(32, 100, 16, 64),
    Point(50, 50, 64, 128),
    Point(8, 200, 64, 128),
    Point(64, 100, 128, 256),
    Point(64, 100, 512, 512),
    Point(1, 1000, 64, 256),
)
QUICK_POINTS = (POINTS[0], POINTS[1], POINTS[5])

# Streams: T is how many steps one call takes, each of them a call of its own.
STREAM_POINTS = tuple(Point(1, 200, 16, hidden) for hidden in (32, 64, 256, 512))
QUICK_STREAM_POINTS = (STREAM_POINTS[0], STREAM_POINTS[2])


def sequences(point: Point, dtype: torch.dtype = torch.float32) -> Tensor:
    """Random input ``(T, B, I)``."""
    shape = point.steps, point.batch, point.inputs
    return torch.randn(shape, generator=_seeded(1)).to(dtype)


def upstream_gradient(output: Tensor) -> Tensor:
    """A random gradient for an output; its numbers are the same in every dtype."""
    return torch.randn(output.shape, generator=_seeded(2)).to(output.dtype)


def row_lengths(point: Point) -> Tensor:
    """Lengths ``(B,)``, uniform from a third of T to T."""
    shortest = math.ceil(point.steps / 3)
    return torch.randint(shortest, point.steps + 1, (point.batch,), generator=_seeded(3))


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
