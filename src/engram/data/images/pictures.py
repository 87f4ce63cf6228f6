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


def read_image(path: str | os.PathLike[str]) -> Tensor:
    """Read an image file, ``(C, Y, X)`` float32 from 0 to 1; see `read_pixels`."""
    return torch.from_numpy(read_pixels(path).astype(np.float32)) / 255.0
