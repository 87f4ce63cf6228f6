"""Scenes of shapes, drawn on the fly, and one sentence that says what is in each."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engram.data.images.pictures import pillow
from engram.files import write_atomically

SIZE = 32  # height and width of a scene, in pixels
COLOURS = {
    "red": (220, 50, 40),
    "green": (50, 190, 70),
    "blue": (50, 80, 230),
    "yellow": (230, 210, 50),
    "purple": (160, 60, 200),
    "white": (240, 240, 240),
}
SHAPES = ("circle", "square", "triangle", "cross")
RADII = {"small": (3.0, 3.8), "large": (5.2, 6.2)}
COUNTS = {2: "two", 3: "three"}
_PLURAL = {"cross": "crosses"}
_GAP = 1.5  # pixels between two objects


@dataclass(frozen=True)
class Thing:
    """One object of a scene: what it is, and where its middle is, in pixels."""

    size: str
    colour: str
    shape: str
    radius: float
    x: float
    y: float

    @property
    def words(self) -> str:
        """Such as ``large red circle``."""
        return f"{self.size} {self.colour} {self.shape}"


def scenes(count: int, *, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Draw scenes.

    A third holds one object (``a large red circle``), a third two that differ, one above or left
    of the other (``a small blue cross above a large red circle``), and a third two or three that
    are alike (``three small green triangles``). Places, sizes, shades and noise differ in each.

    Args:
        count: N.
        seed: The same seed gives the same scenes.

    Returns:
        Images ``(N, 3, 32, 32)`` uint8, red, green and blue, and their captions.
    """
    draw = np.random.default_rng(seed)
    images = np.empty((count, 3, SIZE, SIZE), np.uint8)
    captions = []
    for image in images:
        things, caption = _composed(draw)
        image[:] = _rendered(things, draw)
        captions.append(caption)
    return images, captions


def write_scenes(folder: Path, count: int, *, seed: int = 0) -> Path:
    """Write scenes as PNG files, and their captions as ``captions.csv`` beside them.

    Returns:
        The file of captions, with the columns ``image`` and ``caption``.

    Raises:
        ConfigError: If Pillow is not installed.
        RunError: If the folder cannot be written.
    """
    image_module = pillow()
    images, captions = scenes(count, seed=seed)
    table = io.StringIO()
    lines = csv.writer(table, lineterminator="\n")
    lines.writerow(["image", "caption"])
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        name = f"scene{number:05d}.png"
        buffer = io.BytesIO()
        image_module.fromarray(image.transpose(1, 2, 0)).save(buffer, "PNG")
        write_atomically(folder / name, buffer.getvalue(), durable=False)
        lines.writerow([name, caption])
    path = folder / "captions.csv"
    write_atomically(path, table.getvalue().encode())
    return path


def _composed(draw: np.random.Generator) -> tuple[list[Thing], str]:
    """What is in a scene, and the sentence that says so."""
    first, kind = _words(draw), draw.integers(3)
    if kind == 0:
        radius = draw.uniform(*RADII[first[0]])
        x, y = draw.uniform(radius + 1, SIZE - 1 - radius, 2)
        return [Thing(*first, radius, x, y)], f"a {' '.join(first)}"
    if kind == 1:
        second = _words(draw)
        while second == first:
            second = _words(draw)
        return _pair(first, second, draw)
    count = int(draw.integers(2, 4))
    places = _apart(count, RADII[first[0]][1], draw)
    things = [Thing(*first, draw.uniform(*RADII[first[0]]), x, y) for x, y in places]
    *before, shape = first
    return things, f"{COUNTS[count]} {' '.join(before)} {_PLURAL.get(shape, shape + 's')}"


def _words(draw: np.random.Generator) -> tuple[str, str, str]:
    size, colour, shape = (
        names[draw.integers(len(names))] for names in (tuple(RADII), tuple(COLOURS), SHAPES)
    )
    return size, colour, shape


def _pair(
    first: tuple[str, str, str], second: tuple[str, str, str], draw: np.random.Generator
) -> tuple[list[Thing], str]:
    """Two objects, the first left of the second or above it, and hardly off its line."""
    radii = [draw.uniform(*RADII[words[0]]) for words in (first, second)]
    low, high = radii[0] + 1, SIZE - 1 - radii[1]
    along = draw.uniform(low, high - sum(radii) - _GAP)
    further = draw.uniform(along + sum(radii) + _GAP, high)
    middle = draw.uniform(max(radii) + 3, SIZE - 3 - max(radii))
    across = middle + draw.uniform(-2.0, 2.0, 2)
    places = [(along, across[0]), (further, across[1])]
    relation = "left of"
    if draw.random() < 0.5:
        places, relation = [(y, x) for x, y in places], "above"
    things = [
        Thing(*words, radius, x, y)
        for words, radius, (x, y) in zip((first, second), radii, places, strict=True)
    ]
    return things, f"a {things[0].words} {relation} a {things[1].words}"


def _apart(count: int, radius: float, draw: np.random.Generator) -> np.ndarray:
    """Places ``(count, 2)`` of objects of one size, each somewhere in a quarter of its own."""
    quarters = np.stack(np.divmod(draw.permutation(4)[:count], 2), axis=1)
    free = SIZE / 4 - radius - _GAP / 2
    return (quarters + 0.5) * (SIZE / 2) + draw.uniform(-free, free, (count, 2))


_ROWS, _COLUMNS = (np.mgrid[0:SIZE, 0:SIZE] + 0.5).astype(np.float32)


def _rendered(things: Sequence[Thing], draw: np.random.Generator) -> np.ndarray:
    """Draw objects on a dark ground with some noise, ``(3, 32, 32)`` uint8."""
    image = np.full((3, SIZE, SIZE), draw.uniform(10, 60), np.float32)
    for thing in things:
        colour = np.array(COLOURS[thing.colour], np.float32) + draw.uniform(-15, 15, 3)
        inside = np.clip(0.5 - _distance(thing), 0.0, 1.0)  # soft edges
        image += inside * (colour.astype(np.float32)[:, None, None] - image)
    image += 6.0 * draw.standard_normal(image.shape, np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)


def _distance(thing: Thing) -> np.ndarray:
    """How far each pixel lies outside an object, ``(32, 32)``; negative within."""
    x, y, r = _COLUMNS - thing.x, _ROWS - thing.y, thing.radius
    if thing.shape == "circle":
        return np.hypot(x, y) - r
    if thing.shape == "square":
        return np.maximum(np.abs(x), np.abs(y)) - 0.9 * r
    if thing.shape == "triangle":
        return np.maximum(y - 0.8 * r, 0.87 * np.abs(x) - 0.5 * y - 0.5 * r)
    arm = 0.32 * r  # half the width of a bar of the cross
    bars = [np.maximum(np.abs(a) - r, np.abs(b) - arm) for a, b in ((x, y), (y, x))]
    return np.minimum(*bars)
