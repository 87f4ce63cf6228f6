"""The device that a model computes on: which one is asked for, and where a model is."""

import os
from itertools import chain

import torch
from torch import nn

from engram.errors import ConfigError


def resolve(name: str) -> torch.device:
    """The device that a setting names, on this machine.

    Args:
        name: ``"cpu"``; ``"cuda"``, of which each local process of torchrun takes its own;
            ``"cuda:N"``; or ``"auto"``: a CUDA device for each local process where there are as
            many, else the CPU.

    Raises:
        ConfigError: For a device that this machine does not have, or that processes would share.

    Example:
        >>> resolve("cpu")
        device(type='cpu')
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    local = int(os.environ.get("LOCAL_RANK", "0"))
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    there = ["cpu", *(f"cuda:{number}" for number in range(count))]
    if name == "auto":
        wanted = f"cuda:{local}" if count >= processes else "cpu"
    else:
        wanted = f"cuda:{local}" if name == "cuda" else name
        if name.startswith("cuda:") and processes > 1:
            raise ConfigError(
                f"device is '{name}', but torchrun started {processes} processes here, which need "
                "a device each; use 'cuda'"
            )
    if wanted not in there:
        needed = f" and torchrun started {processes} processes here" if processes > 1 else ""
        raise ConfigError(
            f"device is '{name}', but this machine has {', '.join(there)}{needed}; use a device "
            "that is there, or 'auto'"
        )
    return torch.device(wanted)


def device_of(model: nn.Module) -> torch.device:
    """The device that a model's weights are on; the CPU for a model without any."""
    first = next(chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device
