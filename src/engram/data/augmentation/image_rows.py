"""Images that are read as rows or patches: flipped, rotated and zoomed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engram.data.arrays.scaling import Scaling
from engram.data.augmentation.images import augment_images
from engram.data.images.rows import size_of, to_images, to_steps
from engram.data.settings import ImageAugmentation, ImageSettings


@dataclass(frozen=True)
class ImageChanges:
    """Change images that are series of steps; see `augment_images`.

    Attributes:
        settings: How much of each.
        image: What a step is, with size and colour.
        scale: Of each column.
    """

    settings: ImageAugmentation
    image: ImageSettings
    scale: Scaling

    def apply(self, x: Tensor, lengths: Tensor, generator: torch.Generator) -> Tensor:
        """Change a batch.

        Args:
            x: ``(T, B, F)`` float32, scaled, all of one image each.
            lengths: Not needed; all are T.
            generator: Where all chance comes from; on the CPU.

        Returns:
            The same shape.
        """
        size, patch = size_of(self.image), self.image.patch
        images = to_images(self.scale.undo(x.numpy()), size, patch)
        changed = augment_images(torch.from_numpy(images), self.settings, generator)
        return torch.from_numpy(self.scale.apply(to_steps(changed.numpy(), patch)))
