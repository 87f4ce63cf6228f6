"""One-to-many: an image, a class or a vector in, a sequence of tokens out."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from engram.errors import ConfigError
from engram.layers import FrameConvolution
from engram.models.decoder import Carried, Decoder
from engram.models.settings import CaptionerSettings


class Places(nn.Module):
    """Turn feature maps into a memory with one step per position.

    Channels alone do not encode their position, so a learnt vector is added at each position.

    Args:
        channels: M.
        rows, columns: Y' and X', size of the feature maps.
    """

    anatomy: ClassVar = {"": "occipital"}

    def __init__(self, channels: int, rows: int, columns: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns
        self.vectors = nn.Parameter(torch.zeros(rows * columns, 1, channels))

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, M, Y', X')`` to ``(Y'·X', B, M)``, row by row."""
        return maps.flatten(2).permute(2, 0, 1) + self.vectors


class ImageEncoder(nn.Module):
    """Encode an image as one vector, and as a memory of its positions.

    The vector is that of `FrameConvolution` (Vinyals et al. 2015, "Show and tell"); the memory has
    one step per position of the last stage, with its channels (Xu et al. 2015, "Show, attend
    and tell").

    Args:
        shape: (C, Y, X) of an image.
        settings: Sizes; without attention there is no memory.

    Raises:
        ConfigError: For images that are too small for the number of stages.
    """

    def __init__(self, shape: tuple[int, int, int], settings: CaptionerSettings) -> None:
        super().__init__()
        channels, height, width = shape
        self.convolution = FrameConvolution(
            channels, (height, width), settings.features, filters=settings.filters
        )
        self.memory = settings.filters[-1]
        scale = 2 ** len(settings.filters)
        self.places: Places | None = None
        if settings.attention != "none":
            self.places = Places(self.memory, height // scale, width // scale)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Encode images.

        Args:
            images: ``(B, C, Y, X)`` float32 from 0 to 1.

        Returns:
            Vectors ``(B, F)`` after a ReLU, and positions ``(Y'·X', B, M)``, or None without
            attention.
        """
        # channels last: a training step takes two thirds of the time
        maps = self.convolution.stages(images.contiguous(memory_format=torch.channels_last))
        features = torch.relu(self.convolution.head(maps.flatten(1)))
        return features, None if self.places is None else self.places(maps)


class Captioner(nn.Module):
    """Generate a sequence from an input that is not a sequence.

    The input is encoded as a vector, from which the decoder's initial state is computed; for
    images, a decoder with attention also attends to positions.

    Args:
        given: (C, Y, X) for images, the number of classes, or ``None`` with ``width`` for vectors.
        vocabulary: V.
        settings: Sizes and kinds.
        width: F of vectors.

    Raises:
        ConfigError: For settings that conflict with each other or with the input.
    """

    def __init__(
        self,
        given: tuple[int, int, int] | int | None,
        vocabulary: int,
        settings: CaptionerSettings,
        *,
        width: int | None = None,
    ) -> None:
        super().__init__()
        settings.require_consistent()
        self.image: ImageEncoder | None = None
        self.vector: nn.Module | None = None
        memory = 0
        if isinstance(given, tuple):
            self.image = ImageEncoder(given, settings)
            memory = self.image.memory
        elif settings.attention != "none":
            raise ConfigError(
                f"attention={settings.attention} reads positions of an image, and classes and "
                "vectors have none; set attention=none"
            )
        elif given is not None:
            self.vector = nn.Embedding(given, settings.features)
        else:
            self.vector = nn.Sequential(nn.Linear(width or 1, settings.features), nn.ReLU())
        self.decoder = Decoder(vocabulary, settings, features=settings.features, memory=memory)

    def begin(self, given: Tensor) -> Carried:
        """Encode the input.

        Args:
            given: Images ``(B, C, Y, X)``, classes ``(B,)`` int64, or vectors ``(B, F)``.

        Returns:
            The decoder's initial state and memory.
        """
        if self.image is not None:
            features, places = self.image(given)
            return self.decoder.begin(features, places)
        assert self.vector is not None
        return self.decoder.begin(self.vector(given))

    def step(self, tokens: Tensor, carried: Carried) -> tuple[Tensor, Carried, Tensor | None]:
        """Score the next token of each row; see `Decoder.step`."""
        return self.decoder.step(tokens, carried)

    def forward(
        self, given: Tensor, inputs: Tensor, *, drawn: float = 0.0
    ) -> tuple[Tensor, Tensor | None]:
        """Score a known output; arguments as in `begin` and `Decoder.forward`."""
        scores, weights = self.decoder(inputs, self.begin(given), drawn=drawn)
        return scores, weights
