"""Reading images from files."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engram.errors import ConfigError, DataError
from engram.files import cannot

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
_MOST_PIXELS = 1 << 26


def pillow() -> Any:
    """Pillow's module of images.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ConfigError("images need Pillow; run pip install 'engram[images]'") from None
    return Image


def read_pixels(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an image file, ``(C, Y, X)`` uint8, upright.

    C is 1 for grey images and 3, red, green and blue, for all others; transparency is dropped.

    Raises:
        ConfigError: If Pillow is not installed.
        DataError: For a file that cannot be read, is not an image, or has over 67 million pixels.
    """
    image_module = pillow()
    from PIL import ImageOps, UnidentifiedImageError

    file = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", image_module.DecompressionBombWarning)
            opened = image_module.open(file)
        with opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise DataError(
                    f"{file} is an image of {opened.width:,} by {opened.height:,} pixels, but at "
                    f"most {_MOST_PIXELS:,} are supported; make it smaller"
                )
            upright = ImageOps.exif_transpose(opened)
            image = upright.convert("L" if upright.mode in ("1", "L") else "RGB")
    except UnidentifiedImageError:
        raise DataError(
            f"{file} is not a readable image; give a PNG, JPEG or similar file"
        ) from None
    except OSError as error:  # Pillow raises it for damaged content too, without a number
        if error.errno is not None:
            raise DataError(cannot("read", file, error)) from error
        raise DataError(f"{file} is a damaged image: {error}; restore it") from None
    except image_module.DecompressionBombError as error:
        raise DataError(f"{file} is too large an image: {error}; make it smaller") from None
    except (SyntaxError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file} is an image that cannot be read: {error}") from None
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def shape_of(path: str | os.PathLike[str]) -> tuple[int, int, int] | None:
    """C, Y and X of an image, from a file's header; None where it has none that can be read.

    Raises:
        ConfigError: If Pillow is not installed.
    """
    image_module = pillow()
    from PIL.ExifTags import Base

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", image_module.DecompressionBombWarning)
            with image_module.open(path) as opened:
                channels = 1 if opened.mode in ("1", "L") else 3
                on_its_side = opened.getexif().get(Base.Orientation, 1) >= 5
                size = opened.size if on_its_side else opened.size[::-1]
                return channels, size[0], size[1]
    except (OSError, SyntaxError, ValueError, image_module.DecompressionBombError):
        return None


def read_image(path: str | os.PathLike[str]) -> Tensor:
    """Read an image file, ``(C, Y, X)`` float32 from 0 to 1; see `read_pixels`."""
    return torch.from_numpy(read_pixels(path).astype(np.float32)) / 255.0
