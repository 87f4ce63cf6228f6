import csv

import numpy as np
import pytest

from engram.data.builtin.scenes import COLOURS, SHAPES, SIZE, scenes, write_scenes
from engram.data.images.pictures import read_image


def test_captions_say_what_is_drawn():
    """Colours by the nearest pixel, places by the middle of those pixels."""
    images, captions = scenes(300, seed=3)
    assert images.shape == (300, 3, SIZE, SIZE)
    compared = 0
    for image, caption in zip(images, captions, strict=True):
        for relation, axis in (("left of", 1), ("above", 0)):
            if relation not in caption:
                continue
            first, second = (part.split()[2] for part in caption.split(f" {relation} "))
            if first == second:
                continue
            middles = [_middle(image, colour)[axis] for colour in (first, second)]
            assert middles[0] < middles[1], caption
            compared += 1
    assert compared > 50


def _middle(image, colour):
    """Row and column of the middle of what has a colour."""
    names = list(COLOURS)
    known = np.array([COLOURS[name] for name in names])
    pixels = image.reshape(3, -1).T.astype(float)
    bright = pixels.max(1) > 130
    nearest = np.abs(pixels[:, None] - known).sum(2).argmin(1)
    rows, columns = np.divmod(np.flatnonzero(bright & (nearest == names.index(colour))), SIZE)
    return rows.mean(), columns.mean()


def test_sizes_differ():
    """Lit pixels of single objects: each small one has fewer than any large one of its shape."""
    images, captions = scenes(600, seed=4)
    lit = {(size, shape): [] for size in ("small", "large") for shape in SHAPES}
    for image, caption in zip(images, captions, strict=True):
        words = caption.split()
        if words[0] == "a" and len(words) == 4:
            lit[words[1], words[3]].append(int((image.max(0) > 130).sum()))
    for shape in SHAPES:
        assert max(lit["small", shape]) < min(lit["large", shape])


def test_the_same_seed_draws_the_same():
    images, captions = scenes(5, seed=1)
    again, others = scenes(5, seed=1), scenes(5, seed=2)
    assert np.array_equal(images, again[0])
    assert captions == again[1]
    assert captions != others[1]


def test_written_scenes_are_read_again(tmp_path):
    pytest.importorskip("PIL")
    path = write_scenes(tmp_path, 4, seed=1)
    images, captions = scenes(4, seed=1)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["caption"] for row in rows] == captions
    for row, image in zip(rows, images, strict=True):
        read = read_image(tmp_path / row["image"])
        assert np.array_equal((read * 255).round().numpy().astype(np.uint8), image)
