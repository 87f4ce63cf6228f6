"""What every engine takes and gives: the weights and the result of one layer in one direction."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Weights:
    """The weights of one layer in one direction, G gates and R recurrent states.

    Attributes:
        input: ``(G·H, I)``.
        recurrent: ``(G·H, R·H)``.
        input_bias: ``(G·H,)`` or None.
        recurrent_bias: ``(G·H,)`` or None; it stands inside the recurrent part of each gate.
        units: Per-unit weights by name, each ``(H,)``.
        masks: Numbers for each step and row by name, each ``(T, B, H)``; they take no gradient.
    """

    input: Tensor
    recurrent: Tensor
    input_bias: Tensor | None = None
    recurrent_bias: Tensor | None = None
    units: Mapping[str, Tensor] = field(default_factory=dict)
    masks: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What a cell gave over a sequence.

    Attributes:
        output: The emitted state at every step, ``(T, B, H)``; zero past a row's length.
        state: Every state after the last step of each row, ``(B, H)`` each.
        steps: The states after each step, as the very tensors of the autograd graph, in the order
            in which the steps ran; those of padded steps mean nothing. Empty for an engine that
            does not keep them.
        recording: The activation of each gate and each state after its step, by name,
            ``(T, B, H)`` each, zero past a row's length; empty unless recorded.
    """

    output: Tensor
    state: dict[str, Tensor]
    steps: list[dict[str, Tensor]] = field(default_factory=list)
    recording: dict[str, Tensor] = field(default_factory=dict)


def valid_steps(lengths: Tensor, steps: int) -> Tensor:
    """``(T, B)`` bool: which steps of each row lie within its length."""
    return torch.arange(steps, device=lengths.device).unsqueeze(1) < lengths


def resets_in_running_order(
    reset: Tensor | None, lengths: Tensor | None, reverse: bool
) -> Tensor | None:
    """Turn marks of sequence starts into "clear the state before this step", ``(T, B)`` bool.

    A sequence that starts at step t ends, for the reverse direction, after step t: its state is
    cleared before step t - 1. A mark past a row's length means nothing.
    """
    if reset is not None and lengths is not None:
        reset = reset & valid_steps(lengths, reset.shape[0])
    if reset is None or not reverse:
        return reset
    return torch.cat([reset[1:], torch.zeros_like(reset[:1])])
