"""Images of many files as series: brought to one size, each row or each patch a step."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.images.captions import fitted_image
from engram.data.images.pictures import read_pixels, shape_of
from engram.data.paths import noted, read_each
from engram.data.settings import ImageSettings
from engram.errors import ConfigError

_LONGEST = 64  # pixels of the longer side, where no size is asked for


def read_images(
    paths: Sequence[Path], settings: ImageSettings, places: Sequence[str] = ()
) -> tuple[Sequences, ImageSettings, list[str]]:
    """Read images as series; only one is in memory at a time.

    Args:
        paths: One file per image.
        settings: What a step is. Without a size, that of the most images is taken, made smaller
            where a side is over 64 pixels; images that are all grey are read so.
        places: Where each was named, for messages; empty where nowhere but by its path.

    Returns:
        Series ``(T, F)`` from 0 to 1, see `to_steps`; the settings with size and colour; and what
        was converted, one sentence each.

    Raises:
        ConfigError: If Pillow is not installed, or patches do not fill the image.
        DataError: For files that cannot be read: all of them, at most ten by name.
    """
    settings = _resolved(paths, settings)
    height, width, channels = size_of(settings)
    resized: list[Path] = []
    coloured: list[Path] = []

    def steps() -> Iterator[np.ndarray]:
        for path, pixels in read_each(paths, read_pixels, places, "images"):
            if pixels.shape[1:] != (height, width):
                resized.append(path)
            if len(pixels) > channels:
                coloured.append(path)
            fitted = fitted_image(pixels, (height, width), channels)
            yield to_steps(fitted[None].astype(np.float32) / 255.0, settings.patch)[:, 0]

    count = channels * (settings.patch**2 if settings.patch else width)
    series = Sequences.of(steps(), [f"pixel {place + 1}" for place in range(count)])
    told = (
        (resized, f"have another size than {height} by {width} pixels and were resized"),
        (coloured, "are in colour and were read in greyscale"),
    )
    return series, settings, noted(told, len(paths), "images")


def to_steps(images: np.ndarray, patch: int) -> np.ndarray:
    """Images as series: rows from the top, or patches row by row.

    Args:
        images: ``(B, C, Y, X)``.
        patch: P, height and width of a patch; 0 for rows.

    Returns:
        ``(Y, B, C·X)``, or ``(Y/P · X/P, B, C·P·P)``.
    """
    batch, channels, height, width = images.shape
    if not patch:
        return images.transpose(2, 0, 1, 3).reshape(height, batch, channels * width)
    cut = images.reshape(batch, channels, height // patch, patch, width // patch, patch)
    return cut.transpose(2, 4, 0, 1, 3, 5).reshape(-1, batch, channels * patch * patch)


def to_images(steps: np.ndarray, size: tuple[int, int, int], patch: int) -> np.ndarray:
    """Undo `to_steps`.

    Args:
        steps: ``(T, B, F)``.
        size: Y, X and C.
        patch: As in `to_steps`.
    """
    height, width, channels = size
    batch = steps.shape[1]
    if not patch:
        return steps.reshape(height, batch, channels, width).transpose(1, 2, 0, 3)
    cut = steps.reshape(height // patch, width // patch, batch, channels, patch, patch)
    return cut.transpose(2, 3, 0, 4, 1, 5).reshape(batch, channels, height, width)


def size_of(settings: ImageSettings) -> tuple[int, int, int]:
    """Y, X and C of images that were read."""
    assert settings.height is not None
    assert settings.width is not None
    return settings.height, settings.width, 1 if settings.grey else 3


def about(settings: ImageSettings) -> str:
    """What a step is, in words."""
    height, width, channels = size_of(settings)
    colour = "grey" if channels == 1 else "in colour"
    patch = settings.patch
    step = f"each patch of {patch} by {patch}" if patch else "each row"
    return f"images: {height} by {width} pixels (height by width), {colour}, {step} a step"


def _resolved(paths: Sequence[Path], settings: ImageSettings) -> ImageSettings:
    """The settings with size and colour, from the headers of files where they are not given."""
    if settings.height is None or settings.width is None:
        shapes = [shape for path in paths if (shape := shape_of(path)) is not None]
        counts = Counter((height, width) for _, height, width in shapes)
        height, width = max(counts, key=lambda size: (counts[size], size), default=(32, 32))
        share = min(1.0, _LONGEST / max(height, width))
        fits = [max(1, round(side * share)) for side in (height, width)]
        if settings.patch:
            fits = [max(1, round(side / settings.patch)) * settings.patch for side in fits]
        grey = settings.grey or (bool(shapes) and all(channels == 1 for channels, *_ in shapes))
        settings = settings.model_copy(
            update={
                "height": settings.height or fits[0],
                "width": settings.width or fits[1],
                "grey": grey,
            }
        )
    height, width, _ = size_of(settings)
    if settings.patch and (height % settings.patch or width % settings.patch):
        raise ConfigError(
            f"patch={settings.patch} does not divide the size of {height} by {width} pixels; "
            "choose another --patch, --height or --width"
        )
    return settings
