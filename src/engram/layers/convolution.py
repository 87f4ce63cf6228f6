"""Convolution before recurrent layers: over time, or over the frame or image of each step."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engram.engine.sequence import valid_steps
from engram.errors import ConfigError, did_you_mean
from engram.layers.arguments import checked_lengths, checked_sizes

PADDINGS = ("causal", "same")


class TemporalConvolution(nn.Module):
    """Convolve a sequence over time, ``(T, B, I) -> (T', B, O)``.

    Output j corresponds to input step s·j, with stride s, so that T' = ⌈T/s⌉ and a row of n steps
    gives ⌈n/s⌉. Steps past a row's length count as zero padding, so a row gives the same result in
    a batch as alone; outputs past its new length are zero.

    Args:
        input_size: I.
        output_size: O.
        kernel_size: k, number of steps that one output sees.
        stride: s, input steps from one output to the next.
        dilation: d, spacing of the steps that one output sees.
        padding: ``"causal"``: output j sees only steps up to s·j; ``"same"``: equally many before
            and after it (one more after it if their number is odd).
        bias: Whether to add a bias.
        device, dtype: Device and dtype of the weights.

    Raises:
        ConfigError: For sizes below 1, or an unknown padding.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        padding: str = "causal",
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checked_sizes(input_size=input_size, output_size=output_size, kernel_size=kernel_size)
        checked_sizes(stride=stride, dilation=dilation)
        if padding not in PADDINGS:
            raise ConfigError(
                f"padding '{padding}' is not known: {did_you_mean(padding, PADDINGS)}"
            )
        self.input_size, self.output_size, self.stride = input_size, output_size, stride
        around = (kernel_size - 1) * dilation
        before = around if padding == "causal" else around // 2
        self.around = before, around - before
        self.convolution = nn.Conv1d(
            input_size,
            output_size,
            kernel_size,
            stride,
            dilation=dilation,
            bias=bias,
            device=device,
            dtype=dtype,
        )

    def forward(
        self, input: Tensor, *, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Convolve a batch of sequences.

        Args:
            input: ``(T, B, I)``.
            lengths: Valid steps of each row, ``(B,)`` in 1…T, or None for all.

        Returns:
            Output ``(T', B, O)``, and the lengths of its rows ``(B,)``, or None if none were given.

        Raises:
            ConfigError: For another shape, or lengths that do not fit.
        """
        if input.dim() != 3 or input.shape[2] != self.input_size or 0 in input.shape:
            raise ConfigError(
                f"input has shape {tuple(input.shape)}; it takes (T, B, I) with I={self.input_size}"
            )
        row_lengths = None if lengths is None else checked_lengths(lengths, input)
        if row_lengths is not None:
            outside = ~valid_steps(row_lengths, input.shape[0]).unsqueeze(2)
            input = input.masked_fill(outside, 0.0)
        rows = nn.functional.pad(input.permute(1, 2, 0), self.around)
        output = self.convolution(rows).permute(2, 0, 1)
        if row_lengths is None:
            return output, None
        shorter = (row_lengths + self.stride - 1) // self.stride
        outside = ~valid_steps(shorter, output.shape[0]).unsqueeze(2)
        return output.masked_fill(outside, 0.0), shorter


class FrameConvolution(nn.Module):
    """Turn the image of each step into features, ``(T, B, C, Y, X) -> (T, B, F)``.

    Followed by a recurrent layer, this is a CNN-LSTM (Donahue et al. 2015, "Long-term recurrent
    convolutional networks"). Each stage is a size-preserving convolution, a ReLU and max pooling;
    the last is followed by a linear map to F. All images of a batch are processed at once; images
    past a row's length are skipped.

    Args:
        channels: C.
        size: (Y, X), height and width of an image.
        output_size: F.
        filters: Output channels of each stage; their number is the number of stages.
        kernel_size: Height and width of a filter, odd.
        pool: Height and width of the pooling window; 1 keeps the size.
        device, dtype: Device and dtype of the weights.

    Raises:
        ConfigError: For sizes below 1, an even filter, or images too small for the stages.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        output_size: int,
        *,
        filters: Sequence[int] = (16, 32),
        kernel_size: int = 3,
        pool: int = 2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checked_sizes(channels=channels, height=size[0], width=size[1], output_size=output_size)
        checked_sizes(kernel_size=kernel_size, pool=pool)
        checked_odd(kernel_size)
        least = pool ** len(filters)
        if min(size) < least:
            raise ConfigError(
                f"size is {tuple(size)}, and {len(filters)} stages with pool={pool} need at least "
                f"{least} by {least}; use fewer filters or a smaller pool"
            )
        self.channels, self.size, self.output_size = channels, tuple(size), output_size
        stages: list[nn.Module] = []
        width = channels
        for count in filters:
            checked_sizes(filters=count)
            stages += [
                nn.Conv2d(
                    width, count, kernel_size, padding=kernel_size // 2, device=device, dtype=dtype
                ),
                nn.ReLU(),
                nn.MaxPool2d(pool),
            ]
            width = count
        left = (size[0] // least) * (size[1] // least)
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(width * left, output_size, device=device, dtype=dtype)

    def forward(self, input: Tensor, *, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """Turn images into features.

        Args:
            input: ``(T, B, C, Y, X)``, or ``(B, C, Y, X)`` for single images.
            lengths: Valid steps of each row, ``(B,)`` in 1…T, or None for all.

        Returns:
            ``(T, B, F)``, zero past a row's length; ``(B, F)`` for single images.

        Raises:
            ConfigError: For another shape, or lengths that do not fit.
        """
        image = (self.channels, *self.size)
        if input.dim() not in (4, 5) or tuple(input.shape[-3:]) != image or 0 in input.shape:
            raise ConfigError(
                f"input has shape {tuple(input.shape)}; it takes (T, B, C, Y, X) or (B, C, Y, X) "
                f"with (C, Y, X)={image}"
            )
        if lengths is None:
            return self._features(input.flatten(0, -4)).view(*input.shape[:-3], -1)
        if input.dim() == 4:
            raise ConfigError("lengths were given with single images; they are for (T, B, C, Y, X)")
        valid = valid_steps(checked_lengths(lengths, input), input.shape[0])
        features = self._features(input[valid])
        empty = features.new_zeros(*input.shape[:2], self.output_size)
        return empty.masked_scatter(valid.unsqueeze(2), features)

    def _features(self, images: Tensor) -> Tensor:
        """``(N, C, Y, X) -> (N, F)``."""
        return self.head(self.stages(images).flatten(1))


def checked_odd(kernel_size: int) -> None:
    """Check that a filter has a centre.

    Raises:
        ConfigError: If its size is even.
    """
    if kernel_size % 2 == 0:
        raise ConfigError(
            f"kernel_size is {kernel_size}; it takes an odd number, so that images keep their size"
        )
