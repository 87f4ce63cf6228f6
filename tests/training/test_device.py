"""The device that a setting names, and the one that a model is on."""

import pytest
import torch
from torch import nn

from engram.errors import ConfigError
from engram.training.device import device_of, resolve


@pytest.fixture
def machine(monkeypatch):
    """A machine with a number of CUDA devices, and torchrun's processes on it."""

    def make(devices: int, local: int = 0, processes: int = 1) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: devices > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
        monkeypatch.setenv("LOCAL_RANK", str(local))
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))

    return make


@pytest.mark.parametrize(
    ("devices", "local", "processes", "name", "expected"),
    [
        (0, 0, 1, "cpu", "cpu"),
        (0, 0, 1, "auto", "cpu"),
        (2, 0, 1, "cpu", "cpu"),
        (2, 0, 1, "auto", "cuda:0"),
        (2, 0, 1, "cuda", "cuda:0"),
        (2, 0, 1, "cuda:1", "cuda:1"),
        (2, 1, 2, "auto", "cuda:1"),
        (2, 1, 2, "cuda", "cuda:1"),
        (2, 1, 3, "auto", "cpu"),  # in all three, also where a device would be there
        (2, 1, 2, "cpu", "cpu"),
    ],
)
def test_what_a_name_means(machine, devices, local, processes, name, expected):
    machine(devices, local, processes)
    assert resolve(name) == torch.device(expected)


@pytest.mark.parametrize(
    ("devices", "local", "processes", "name", "told"),
    [
        (0, 0, 1, "cuda", "device is 'cuda', but this machine has cpu; use"),
        (1, 0, 1, "cuda:1", "device is 'cuda:1', but this machine has cpu, cuda:0; use"),
        (1, 1, 2, "cuda", "has cpu, cuda:0 and torchrun started 2 processes here; use"),
        (2, 1, 2, "cuda:1", "torchrun started 2 processes here, which need a device each"),
        (0, 0, 1, "gpu", "device is 'gpu', but this machine has cpu; use"),
    ],
)
def test_a_device_that_is_not_there(machine, devices, local, processes, name, told):
    machine(devices, local, processes)
    with pytest.raises(ConfigError, match=told):
        resolve(name)


def test_where_a_model_is():
    assert device_of(nn.Linear(2, 2, device="meta")) == torch.device("meta")
    assert device_of(nn.BatchNorm1d(2, affine=False)) == torch.device("cpu")
    assert device_of(nn.ReLU()) == torch.device("cpu")
