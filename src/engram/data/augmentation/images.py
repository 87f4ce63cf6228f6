"""Images flipped, rotated and zoomed."""

import math

import torch
from torch import Tensor

from engram.data.settings import ImageAugmentation
from engram.errors import ConfigError


def augment_images(
    images: Tensor, settings: ImageAugmentation, generator: torch.Generator
) -> Tensor:
    """Change images at random: flips with probability 1/2, then a turn and a zoom about the middle.

    The angle is uniform, and so is the logarithm of the zoom. All frames of a row change alike.

    Args:
        images: ``(B, C, Y, X)``, or frames ``(T, B, C, Y, X)``, floating.
        settings: How much of each.
        generator: Where all chance comes from; on the CPU.

    Returns:
        The same shape.

    Raises:
        ConfigError: For another shape or dtype, or where kornia is not installed.
    """
    if images.dim() not in (4, 5) or not images.is_floating_point() or 0 in images.shape:
        raise ConfigError(
            f"images have shape {tuple(images.shape)} and {images.dtype}; they must be "
            "floating-point of shape (B, C, Y, X) or (T, B, C, Y, X)"
        )
    batch = images.shape[-4]
    # all four are drawn whatever is asked for, so that one setting does not change another's draw
    draws = torch.rand((4, batch), generator=generator, dtype=torch.float64).to(images)
    rows = draws.view(4, batch, 1, 1, 1)
    if settings.flip:
        images = torch.where(rows[0] < 0.5, images.flip(-1), images)
    if settings.flip_vertical:
        images = torch.where(rows[1] < 0.5, images.flip(-2), images)
    if settings.rotate == 0.0 and settings.zoom == 1.0:
        return images
    angles = settings.rotate * (2 * draws[2] - 1)
    factors = torch.exp(math.log(settings.zoom) * (2 * draws[3] - 1))
    return _turned(images, angles, factors, "border" if settings.fill == "edge" else "zeros")


def _turned(images: Tensor, angles: Tensor, factors: Tensor, padding: str) -> Tensor:
    """Turn by degrees ``(B,)`` and zoom by factors ``(B,)``."""
    try:
        from kornia.geometry.transform import get_rotation_matrix2d, warp_affine
    except ImportError:
        raise ConfigError(
            "rotating and zooming images needs kornia; run pip install 'engram[images]'"
        ) from None
    height, width = images.shape[-2:]
    middle = images.new_tensor([(width - 1) / 2, (height - 1) / 2]).expand(len(angles), 2)
    matrices = get_rotation_matrix2d(middle, angles, factors.unsqueeze(1).expand(-1, 2))
    flat = images.reshape(-1, *images.shape[-3:])
    repeated = matrices.repeat(len(flat) // len(matrices), 1, 1)
    turned = warp_affine(flat, repeated, (height, width), padding_mode=padding)
    return turned.view(images.shape)
