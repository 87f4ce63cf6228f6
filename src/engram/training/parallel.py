"""Data-parallel training over processes that torchrun started; alone, everything is a no-op."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from engram.data.batching.batch import Batch
from engram.errors import ConfigError
from engram.layers.shard import Shard


@contextmanager
def process_group(device: torch.device | None = None) -> Iterator[None]:
    """Join the group of processes that torchrun describes, for as long as the block runs.

    A group that the process is in already is used, and stays.

    Args:
        device: Of this process; tensors on a CUDA device go by NCCL, and others by Gloo.
    """
    if dist.is_initialized():
        yield
        dist.barrier()
        return
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    if device is not None and device.type == "cuda":
        torch.cuda.set_device(device)
        dist.init_process_group("cpu:gloo,cuda:nccl", device_id=device)
    else:
        dist.init_process_group("gloo")
    try:
        yield
        dist.barrier()  # nobody leaves while another still waits for a message
    finally:
        dist.destroy_process_group()


_alone: ContextVar[bool] = ContextVar("alone", default=False)


@contextmanager
def alone() -> Iterator[None]:
    """Do something in this process without the others, for as long as the block runs."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() and not _alone.get() else 0


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() and not _alone.get() else 1


def own_rows(lanes: int) -> slice:
    """Which lanes this process owns.

    Raises:
        ConfigError: If lanes do not divide evenly, which would weigh them differently.
    """
    count = processes()
    if lanes % count:
        raise ConfigError(
            f"{lanes} lanes cannot be divided evenly among {count} processes; "
            f"use --lanes {lanes // count * count or count}"
        )
    share = lanes // count
    return slice(rank() * share, (rank() + 1) * share)


@dataclass(frozen=True)
class Own:
    """What one process runs of a batch.

    Attributes:
        batch: The rows that it runs.
        shard: Which of all rows they are; None where they are all of them.
        loss: What its mean loss counts for in that of the whole batch.
        rows: Its rows, as a share of all.
    """

    batch: Any
    shard: Shard | None
    loss: float = 1.0
    rows: float = 1.0


def own_part(batch: Any, device: torch.device | str = "cpu") -> Own:
    """The rows of a batch that this process runs, on its device.

    Args:
        batch: A `Batch` of all rows, of which each process takes as many as the others, or one
            more; or a `Window`, which holds this process's lanes alone already.
        device: Where the model is.
    """
    count, own = processes(), rank()
    if count == 1:
        return Own(batch.to(device), None)
    if not isinstance(batch, Batch):
        lanes = batch.inputs.shape[1]
        shard = Shard(own * lanes, (own + 1) * lanes, count * lanes)
        return Own(batch.to(device), shard, 1.0 / count, 1.0 / count)
    size = batch.size
    start, stop = size * own // count, size * (own + 1) // count
    if start == stop:  # a row that counts for nothing: what is drawn has to be drawn everywhere
        return Own(batch.of_rows(slice(0, 1)).to(device), Shard(0, 1, size), 0.0, 0.0)
    part = batch.of_rows(slice(start, stop))
    shard = Shard(start, stop, size)
    return Own(part.to(device), shard, part.terms / batch.terms, (stop - start) / size)


def sum_gradients(
    parameters: Sequence[nn.Parameter], values: Sequence[float], stop: bool, weight: float
) -> tuple[list[float], bool]:
    """Sum weighted gradients, the loss and penalties over processes, in place, in one exchange.

    A weight that one process used and another did not, such as a learnt initial state where no
    sequence starts, counts as zero there; one that none used is left without a gradient, as in one
    process.

    Args:
        parameters: Those whose gradients are summed.
        values: This process's loss and penalties.
        stop: Whether this process was asked to stop.
        weight: What this process counts for; those of all add up to 1.

    Returns:
        The sums of the values, and whether any process was asked to stop.
    """
    if processes() == 1:
        return list(values), stop
    used = [float(p.grad is not None) for p in parameters]
    extra = torch.tensor([*used, *(weight * v for v in values), float(stop)])
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad * weight for p in parameters]
    flat = torch.cat([g.reshape(-1) for g in gradients] + [extra.to(gradients[0])])
    dist.all_reduce(flat)
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
