"""Convolutional LSTM: states are images, and convolutions replace the matrix products."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engram.engine.sequence import valid_steps
from engram.errors import ConfigError
from engram.layers.arguments import checked_lengths, checked_reset, checked_sizes
from engram.layers.convolution import checked_odd


class ConvLSTM(nn.Module):
    """Run a convolutional LSTM over a sequence of images, ``(T, B, C, Y, X) -> (T, B, H, Y, X)``.

    Shi et al. 2015, "Convolutional LSTM network", where * is a size-preserving convolution, ⊙ the
    elementwise product, and the terms in P apply only with ``peepholes``::

        i = σ(W_i * x + R_i * h + P_i ⊙ c + b_i)
        f = σ(W_f * x + R_f * h + P_f ⊙ c + b_f)
        c' = f ⊙ c + i ⊙ tanh(W_g * x + R_g * h + b_g)
        o = σ(W_o * x + R_o * h + P_o ⊙ c' + b_o)
        h' = o ⊙ tanh(c')

    The inputs of all steps are convolved at once. It runs as plain torch operations.

    Args:
        channels: C, channels of the input.
        hidden_channels: H, channels of the states.
        kernel_size: Height and width of the filters, odd.
        peepholes: None for no peepholes, or (Y, X), the size of the images: as in the paper, every
            channel has its own weight at every position.
        bias: Whether gates have a bias.
        forget_bias: Initial bias of the forget gate f, or None for 0.
        device, dtype: Device and dtype of the weights.

    Parameters are ``weight_ih`` ``(4·H, C, k, k)`` and ``weight_hh`` ``(4·H, H, k, k)``, drawn from
    U(-s, s) with s = 1/√(channels in · k²); ``bias`` ``(4·H,)``, zero; ``peephole_i``,
    ``peephole_f`` and ``peephole_o`` ``(H, Y, X)``, zero. Gates are in the order i, f, g, o.

    Raises:
        ConfigError: For sizes below 1, an even filter, or a forget bias without biases.
    """

    bias: nn.Parameter | None
    peephole_i: nn.Parameter
    peephole_f: nn.Parameter
    peephole_o: nn.Parameter

    def __init__(
        self,
        channels: int,
        hidden_channels: int,
        kernel_size: int = 3,
        *,
        peepholes: tuple[int, int] | None = None,
        bias: bool = True,
        forget_bias: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checked_sizes(channels=channels, hidden_channels=hidden_channels, kernel_size=kernel_size)
        checked_odd(kernel_size)
        if peepholes is not None:
            checked_sizes(height=peepholes[0], width=peepholes[1])
        if forget_bias is not None and not bias:
            raise ConfigError(
                f"forget_bias={forget_bias} needs biases; leave it out or set bias=True"
            )
        self.channels, self.hidden_channels = channels, hidden_channels
        self.kernel_size, self.peepholes, self.forget_bias = kernel_size, peepholes, forget_bias

        def empty(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape, device=device, dtype=dtype))

        self.weight_ih = empty(4 * hidden_channels, channels, kernel_size, kernel_size)
        self.weight_hh = empty(4 * hidden_channels, hidden_channels, kernel_size, kernel_size)
        self.register_parameter("bias", empty(4 * hidden_channels) if bias else None)
        if peepholes is not None:
            for gate in ("i", "f", "o"):
                self.register_parameter(f"peephole_{gate}", empty(hidden_channels, *peepholes))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Re-initialise all weights."""
        for name, weight in self.named_parameters():
            if name.startswith("weight"):
                bound = 1.0 / math.sqrt(weight[0].numel())
                nn.init.uniform_(weight, -bound, bound)
            else:
                nn.init.zeros_(weight)
        if self.forget_bias is not None and self.bias is not None:
            self.bias.chunk(4)[1].fill_(self.forget_bias)

    def forward(
        self,
        input: Tensor,
        state: tuple[Tensor, Tensor] | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        reset: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over a sequence.

        Args:
            input: ``(T, B, C, Y, X)``.
            state: h and c, ``(B, H, Y, X)`` each; None means zero.
            lengths: Valid steps of each row, ``(B,)`` in 1…T. Outputs past a row's length are zero,
                and its final state is the one at its last valid step.
            reset: Sequence starts, ``(T, B)`` bool: the state is reset to zero before a marked
                step.

        Returns:
            Output ``(T, B, H, Y, X)``, and the final h and c.

        Raises:
            ConfigError: For shapes or lengths that do not fit.
        """
        self._check(input, state)
        steps, batch = input.shape[:2]
        valid = None
        if lengths is not None:
            valid = valid_steps(checked_lengths(lengths, input), steps).view(steps, batch, 1, 1, 1)
            input = input.masked_fill(~valid, 0.0)
        if reset is not None:
            reset = checked_reset(reset, input[:, :, 0, 0]).view(steps, batch, 1, 1, 1)
        projected = self._convolve(input.flatten(0, 1), self.weight_ih, self.bias)
        projected = projected.unflatten(0, (steps, batch))
        if state is None:
            zero = projected.new_zeros(batch, self.hidden_channels, *input.shape[3:])
            state = zero, zero
        h, c = state
        outputs = []
        for t in range(steps):
            if reset is not None:
                h, c = (value.masked_fill(reset[t], 0.0) for value in (h, c))
            after = self._step(projected[t], h, c)
            if valid is not None:
                after = (torch.where(valid[t], after[0], h), torch.where(valid[t], after[1], c))
            h, c = after
            outputs.append(h)
        output = torch.stack(outputs)
        return output if valid is None else output.masked_fill(~valid, 0.0), (h, c)

    def _step(self, projected: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = (projected + self._convolve(h, self.weight_hh)).chunk(4, dim=1)
        if self.peepholes is not None:
            i = i + self.peephole_i * c
            f = f + self.peephole_f * c
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        if self.peepholes is not None:
            o = o + self.peephole_o * c
        return torch.sigmoid(o) * torch.tanh(c), c

    def _convolve(self, images: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return nn.functional.conv2d(images, weight, bias, padding=self.kernel_size // 2)

    def _check(self, input: Tensor, state: tuple[Tensor, Tensor] | None) -> None:
        shape = tuple(input.shape)
        if input.dim() != 5 or shape[2] != self.channels or 0 in shape:
            raise ConfigError(
                f"input has shape {shape}; it takes (T, B, C, Y, X) with C={self.channels}"
            )
        if self.peepholes is not None and shape[3:] != tuple(self.peepholes):
            raise ConfigError(
                f"input has shape {shape}, and peepholes are for images of {self.peepholes}; "
                "give images of that size"
            )
        expected = (shape[1], self.hidden_channels, *shape[3:])
        if state is not None and len(state) != 2:
            raise ConfigError(f"{len(state)} initial states were given; ConvLSTM has 2: (h, c)")
        for name, value in zip("hc", state or (), strict=False):
            if tuple(value.shape) != expected:
                raise ConfigError(
                    f"initial state '{name}' has shape {tuple(value.shape)}; it takes {expected}"
                )
