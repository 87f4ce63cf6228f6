"""The token model: shapes, shared weights, counts, truncation of its state."""

import pytest
import torch

from engram.cells import CELLS, make_cell
from engram.errors import ConfigError
from engram.models.many_to_many import (
    ManyToMany,
    ModelSettings,
    detached,
    drop_embeddings,
    parameter_count,
)


def _model(vocabulary=7, **changes):
    return ManyToMany(vocabulary, ModelSettings(**({"hidden": 5} | changes)))


@pytest.mark.filterwarnings("ignore:.*runs on the reference engine:UserWarning")
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("layers", "embedding"), [(1, 0), (2, 3)])
def test_shapes(cell, layers, embedding):
    model = _model(cell=cell, layers=layers, embedding=embedding)
    inputs = torch.randint(7, (4, 3))
    scores, state = model(inputs)
    assert scores.shape == (4, 3, 7)
    parts = state if isinstance(state, tuple) else (state,)
    assert len(parts) == len(make_cell(cell).states)
    assert all(part.shape == (layers, 3, 5) for part in parts)
    assert model.embedding.embedding_dim == (embedding or 5)


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
def test_carried_state_is_one_long_sequence(cell):
    model = _model(cell=cell, layers=2)
    inputs = torch.randint(7, (9, 2))
    whole, _ = model(inputs)
    first, state = model(inputs[:4])
    second, _ = model(inputs[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)


def test_reset_begins_anew():
    model = _model()
    inputs = torch.randint(7, (6, 1))
    reset = torch.zeros(6, 1, dtype=torch.bool)
    reset[3] = True
    scores, _ = model(inputs, reset=reset)
    alone, _ = model(inputs[3:])
    torch.testing.assert_close(scores[3:], alone)


def test_dropout_only_in_training():
    model = _model(dropout=0.5, dropout_input=0.5, weight_drop=0.5)
    inputs = torch.randint(7, (6, 2))
    assert not torch.equal(model(inputs)[0], model(inputs)[0])
    model.eval()
    assert torch.equal(model(inputs)[0], model(inputs)[0])


@pytest.mark.parametrize("embedding", [0, 5])
def test_tied_weights_are_one_tensor(embedding):
    free, tied = _model(), _model(tied=True, embedding=embedding)
    assert tied.head.weight is tied.embedding.weight
    assert parameter_count(free) - parameter_count(tied) == 7 * 5


def test_tied_with_another_width_is_refused():
    with pytest.raises(ConfigError) as caught:
        _model(tied=True, embedding=3)
    assert str(caught.value) == (
        "tied shares weights between embedding (3 wide) and head (5 wide); "
        "leave out --embedding, or --tied"
    )


@pytest.mark.parametrize("tied", [False, True])
def test_embedding_dropout_drops_whole_tokens(tied):
    model = _model(vocabulary=40, dropout_embedding=0.4, tied=tied)
    seen = []
    model.layers.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    tokens = torch.arange(40).repeat(3, 2)
    model(tokens)
    before = model.embedding(tokens)
    kept = (seen[0] != 0).any(dim=-1)
    assert torch.equal(seen[0], torch.where(kept.unsqueeze(-1), before * (1 / 0.6), 0.0))
    assert (kept == kept[0, :40].repeat(3, 2)).all()  # the same ones at every step, in every row
    assert 10 < kept[0, :40].sum() < 38
    model(tokens)
    assert not torch.equal(seen[0], seen[1])  # others in the next pass
    model.eval()
    model(tokens)
    assert torch.equal(seen[2], before)


def test_embedding_dropout_keeps_the_mean():
    model = _model(vocabulary=6, dropout_embedding=0.3)
    tokens = torch.arange(6).unsqueeze(1)
    vectors = model.embedding(tokens)
    drawn = [drop_embeddings(vectors, tokens, 6, 0.3) for _ in range(3000)]
    torch.testing.assert_close(torch.stack(drawn).mean(0), vectors, rtol=0.1, atol=0.02)


def test_parameter_count_leaves_out_what_is_fixed():
    model = _model()
    before = parameter_count(model)
    model.head.bias.requires_grad_(False)
    assert before - parameter_count(model) == 7


def test_detached():
    assert detached(None) is None
    made = torch.ones(2, requires_grad=True) * 2
    alone, pair = detached(made), detached((made, made))
    assert isinstance(alone, torch.Tensor)
    assert isinstance(pair, tuple)
    assert all(not part.requires_grad for part in (alone, *pair))
    assert torch.equal(alone, made)


def test_options_of_the_layers_reach_them():
    layers = _model(variational=True, residual=True, learn_initial_state=True, layers=2).layers
    assert (layers.variational, layers.residual, layers.learn_initial_state) == (True, True, True)
    layers = _model(dropout=0.3, dropout_input=0.2, layers=2).layers
    assert (layers.dropout_input, layers.dropout, layers.dropout_output) == (0.2, 0.3, 0.3)
