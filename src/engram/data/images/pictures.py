"""Reading images from files."""

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engram.errors import ConfigError, DataError
from engram.files import cannot

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def pillow() -> Any:
    """Pillow's module of images.

    Raises:
        ConfigError: Where it is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ConfigError("images need Pillow; pip install 'engram[images]'") from None
    return Image


def read_image(path: str | os.PathLike[str]) -> Tensor:
    """Read an image file, ``(C, Y, X)`` float32 from 0 to 1, upright.

    C is 1 for grey images and 3, red, green and blue, for all others; transparency is dropped.

    Raises:
        ConfigError: Where Pillow is not installed.
        DataError: For a file that cannot be read or is no image.
    """
    image_module = pillow()
    from PIL import ImageOps, UnidentifiedImageError

    file = Path(path)
    try:
        with image_module.open(file) as opened:
            upright = ImageOps.exif_transpose(opened)
            image = upright.convert("L" if upright.mode in ("1", "L") else "RGB")
    except UnidentifiedImageError:
        raise DataError(
            f"{file} is no image that can be read; name PNG, JPEG or the like"
        ) from None
    except OSError as error:  # Pillow raises it for damaged content too, without a number
        if error.errno is not None:
            raise DataError(cannot("read", file, error)) from error
        raise DataError(f"{file} is a damaged image: {error}; restore it") from None
    except (image_module.DecompressionBombError, SyntaxError, ValueError) as error:
        raise DataError(f"{file} is an image that cannot be read: {error}") from None
    flat = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    pixels = flat.view(image.height, image.width, -1)
    return pixels.permute(2, 0, 1).to(torch.float32) / 255.0
