"""A torch without a private name: the ordinary way gives the same results."""

import re
from pathlib import Path

import pytest
import torch

import engram
from engram.engine import torch_internals as internals
from engram.layers import stepping


def _results():
    """Of a call, its gradients, a recording and two steps, all from the same weights."""
    torch.manual_seed(0)
    layer = engram.LSTM(4, 7, num_layers=2, dtype=torch.float64)
    reservoir = engram.Reservoir(4, 30)
    x = torch.randn(5, 3, 4, dtype=torch.float64, requires_grad=True)
    output, state = layer(x, lengths=torch.tensor([5, 2, 3]))
    gradients = torch.autograd.grad(output.square().sum(), [x, *layer.parameters()])
    recording = layer.record(x.detach())
    with torch.no_grad():
        first, carried = layer.step(x[0])
        second, carried = layer.step(x[1], carried)
        driven, _ = reservoir(x)
    return [output, *state, *gradients, *recording.values(), first, second, *carried, driven]


@pytest.mark.parametrize("name", internals.ORDINARY)
def test_the_ordinary_way_gives_the_same(name, monkeypatch):
    expected = _results()
    stepping.can_step_quickly.cache_clear()
    monkeypatch.setattr(internals, name, internals.ORDINARY[name])
    try:
        torch.testing.assert_close(_results(), expected)
    finally:
        stepping.can_step_quickly.cache_clear()


def test_no_name_is_missing_in_this_torch():
    for name, ordinary in internals.ORDINARY.items():
        assert getattr(internals, name) is not ordinary


def test_a_name_that_is_missing_gives_the_ordinary_way():
    assert internals.found("_C._gone.away", "tensor_guards") is None
    assert internals.found("_C._gone", "tracing_state") is internals.ORDINARY["tracing_state"]


def test_private_names_stand_in_that_file_alone():
    private = re.compile(
        r"torch\._(?!_|foreach)|from torch\S* import _|forward_ad\._|aten\._|_dynamo"
    )
    sources = Path(engram.__file__).parent
    with_some = {
        path.relative_to(sources).as_posix()
        for path in sources.rglob("*.py")
        if private.search(path.read_text(encoding="utf-8"))
    }
    assert with_some == {"engine/torch_internals.py"}
