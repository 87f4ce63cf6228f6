"""Transfer: rows of known tokens are kept, the rest is new, and misfits are named."""

import pytest
import torch

from engram.cells import CELLS, make_cell
from engram.errors import ConfigError
from engram.models.many_to_many import ManyToMany, ModelSettings
from engram.tasks.transfer import transfer


def _model(size, seed, **changes):
    torch.manual_seed(seed)
    return ManyToMany(size, ModelSettings(**({"hidden": 4} | changes)))


@pytest.mark.parametrize("tied", [False, True])
def test_rows_of_known_tokens(tied):
    old, new, fresh = _model(5, 1, tied=tied), _model(6, 2, tied=tied), _model(6, 2, tied=tied)
    rows = {0: 0, 1: 1, 4: 2, 2: 5}
    transfer(old.state_dict(), new, rows, new.by_token)
    for name in ("embedding.weight", "head.weight", "head.bias"):
        before, after = old.state_dict()[name], new.state_dict()[name]
        for row, place in rows.items():
            assert torch.equal(after[place], before[row])
        for place in (3, 4):
            assert torch.equal(after[place], fresh.state_dict()[name][place])
    for name, value in old.layers.state_dict().items():
        assert torch.equal(new.layers.state_dict()[name], value)
    assert (new.head.weight is new.embedding.weight) == tied


def test_masks_of_a_layer_are_no_weights():
    cell = next(name for name in CELLS if make_cell(name).unconnected)
    old, new = _model(5, 1, cell=cell), _model(5, 2, cell=cell)
    transfer(old.state_dict(), new, {i: i for i in range(5)}, new.by_token)
    assert all(torch.equal(new.state_dict()[n], v) for n, v in old.state_dict().items())


def test_the_same_vocabulary_is_the_same_model():
    old, new = _model(5, 1), _model(5, 2)
    transfer(old.state_dict(), new, {i: i for i in range(5)}, new.by_token)
    assert all(torch.equal(new.state_dict()[n], v) for n, v in old.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"hidden": 3}, [r"embedding.weight is \(5, 4\), not \(5, 3\)", "weight_ih_l0 is"]),
        ({"layers": 2}, ["layers.weight_ih_l1 is not there"]),
        ({"cell": "gru"}, [r"weight_ih_l0 is \(16, 4\), not \(12, 4\)"]),
    ],
)
def test_misfits_are_named_and_nothing_is_changed(changes, texts):
    old, new = _model(5, 1), _model(5, 2, **changes)
    before = {name: value.clone() for name, value in new.state_dict().items()}
    for text in texts:
        with pytest.raises(ConfigError, match=text):
            transfer(old.state_dict(), new, {0: 0}, new.by_token)
    assert all(torch.equal(value, before[name]) for name, value in new.state_dict().items())


def test_weights_without_a_place():
    old, new = _model(5, 1, layers=2), _model(5, 2)
    with pytest.raises(ConfigError, match=r"layers.weight_hh_l1 has no counterpart"):
        transfer(old.state_dict(), new, {0: 0}, new.by_token)
