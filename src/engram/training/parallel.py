"""Data-parallel training over processes that torchrun started; alone, everything is a no-op."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from engram.errors import ConfigError


@contextmanager
def process_group() -> Iterator[None]:
    """Join the group of processes that torchrun describes, for as long as the block runs."""
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    dist.init_process_group("gloo")
    try:
        yield
        dist.barrier()  # nobody leaves while another still waits for a message
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def own_rows(lanes: int) -> slice:
    """Which lanes this process owns.

    Raises:
        ConfigError: Where lanes do not divide evenly, which would weigh them differently.
    """
    count = processes()
    if lanes % count:
        raise ConfigError(
            f"{lanes} lanes do not divide among {count} processes; "
            f"use --lanes {lanes // count * count or count}"
        )
    share = lanes // count
    return slice(rank() * share, (rank() + 1) * share)


def average_gradients(
    parameters: Sequence[nn.Parameter], values: Sequence[float], stop: bool
) -> tuple[list[float], bool]:
    """Average gradients, the loss and penalties over processes, in place, in one exchange.

    A weight that one process used and another did not, such as a learnt initial state where no
    sequence starts, counts as zero there; one that none used is left without a gradient, as in one
    process.

    Args:
        parameters: Those whose gradients are averaged.
        values: This process's loss and penalties.
        stop: Whether this process was asked to stop.

    Returns:
        The means of the values, and whether any process was asked to stop.
    """
    if processes() == 1:
        return list(values), stop
    used = [float(p.grad is not None) for p in parameters]
    extra = torch.tensor([*used, *values, float(stop)], dtype=parameters[0].dtype)
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([g.reshape(-1) for g in gradients] + [extra])
    dist.all_reduce(flat)
    flat /= processes()
    offset = 0
    anywhere = flat[-len(extra) :][: len(used)].tolist()
    for parameter, gradient, share in zip(parameters, gradients, anywhere, strict=True):
        if share > 0:
            parameter.grad = gradient
            gradient.copy_(flat[offset : offset + gradient.numel()].view_as(gradient))
        offset += gradient.numel()
    return flat[offset + len(used) : -1].tolist(), bool(flat[-1] > 0)


def total(values: Sequence[float]) -> list[float]:
    """Add numbers up over processes, each by itself, in float64."""
    if processes() == 1:
        return list(values)
    tensor = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(tensor)
    return [float(v) for v in tensor]


def joined(tensor: Tensor, dim: int) -> Tensor:
    """The tensors of all processes, joined along an axis in the order of their numbers."""
    if processes() == 1:
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(processes())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts, dim=dim)


def from_first(tensors: Sequence[Tensor]) -> None:
    """Give every process the first one's values, in place."""
    if processes() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)
