"""Ways to cut a sequence that must not change what comes out: steps, chunks, rows, resets."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.testing import assert_close

import engram
from engram.cells import make_cell
from engram.errors import ConfigError
from engram.layers.dropout import drop
from helpers.coverings import covering

I, H, T, B = 3, 5, 9, 4  # noqa: E741
DIRECTIONS = {
    "forward": {"num_layers": 2},
    "both directions": {"num_layers": 2, "bidirectional": True},
}
WAYS = {
    "plain": {},
    "learnt start": {"learn_initial_state": True},
    "all of it": {
        "num_layers": 3,
        "residual": True,
        "learn_initial_state": True,
        "variational": True,
        "dropout": 0.4,
        "dropout_input": 0.5,
        "dropout_output": 0.3,
    },
}
AXES = {
    "name": ["elman", "elman-relu", "gru", "lstm"],  # those that every engine has
    "engine": ["auto", "torch", "reference"],
    "options": list(DIRECTIONS),
    "way": list(WAYS),
    "batch_first": [False, True],
}
by_engine = pytest.mark.parametrize("engine", AXES["engine"])


def by(*names, **more):
    """Cases in which any values of any three axes meet."""
    axes = {name: AXES[name] for name in names} | more
    return pytest.mark.parametrize(list(axes), covering(*axes.values(), together=3), ids=str)


@pytest.fixture(autouse=True)
def _masks_of_one_row(monkeypatch):
    """Every row of a batch, and every call, draws the same mask, so that cuts can be compared."""

    def same_for_all(ones, probability):
        generator = torch.Generator().manual_seed(ones.shape[-1])
        kept = torch.rand(ones.shape[-1], generator=generator) >= probability
        return ones * kept / (1 - probability)

    monkeypatch.setattr("engram.layers.dropout.draw_mask", same_for_all)


def _layer(name, engine, **options):
    cell = make_cell(name)
    layer = engram.Recurrent(cell, I, H, engine=engine, dtype=torch.float64, **options)
    for key, value in layer.named_parameters():
        if key.startswith("initial_"):
            torch.nn.init.normal_(value)
    return layer


def _input(*shape):
    return torch.randn(*shape, I, dtype=torch.float64)


def _state(layer, batch=B):
    shape = (layer.num_layers * (1 + layer.bidirectional), batch, H)
    return tuple(torch.randn(shape, dtype=torch.float64) for _ in layer.cell.states)


def _as_tuple(state):
    return state if isinstance(state, tuple) else (state,)


def _row(state, row):
    """One row of the batch, with its batch axis."""
    return tuple(s[:, row : row + 1] for s in _as_tuple(state))


@by("name", "engine", "way", "batch_first")
def test_step_by_step_is_the_whole(name, engine, way, batch_first):
    layer = _layer(name, engine, batch_first=batch_first, **{"num_layers": 2} | WAYS[way])
    x, state = _input(T, B), _state(layer)
    output, after = layer(x.transpose(0, 1) if batch_first else x, state)
    outputs = []
    for x_t in x:
        one, state = layer.step(x_t, state)
        outputs.append(one)
    assert_close(torch.stack(outputs, dim=1 if batch_first else 0), output)
    assert_close(state, after)


@by("name", "way", "batch_first", gradients=[False, True])
def test_steps_without_a_batch(name, way, batch_first, gradients):
    layer = _layer(name, "auto", batch_first=batch_first, **{"num_layers": 2} | WAYS[way])
    for training in (True, False):
        layer.train(training)
        x, state = _input(T), None
        outputs = []
        with torch.set_grad_enabled(gradients):
            for x_t in x:
                one, state = layer.step(x_t, state)
                outputs.append(one)
        assert_close((torch.stack(outputs), state), layer(x))


@by("name", "engine", "way", cuts=[(1,), (4,), (2, 3, 8)])
def test_chunks_with_carried_state_are_the_whole(name, engine, way, cuts):
    layer = _layer(name, engine, **{"num_layers": 2} | WAYS[way])
    x, state = _input(T, B), _state(layer)
    output, after = layer(x, state)
    outputs = []
    for chunk in x.tensor_split(cuts):
        part, state = layer(chunk, state)
        outputs.append(part)
    assert_close((torch.cat(outputs), state), (output, after))


@by("name", "engine", "options", "way", lengths=[[9, 1, 4, 9], [3, 5, 1, 2], [6, 6, 6, 6]])
def test_padded_is_each_row_alone(name, engine, options, way, lengths):
    layer = _layer(name, engine, **DIRECTIONS[options] | WAYS[way])
    x, state = _input(T, B), None if "learn_initial_state" in WAYS[way] else _state(layer)
    for row, length in enumerate(lengths):
        x[length:, row] = torch.nan
    output, after = layer(x, state, lengths=lengths)
    assert output.shape[:2] == (T, B)
    for row, length in enumerate(lengths):
        own = None if state is None else _row(state, row)
        alone, expected = layer(x[:length, row : row + 1], own)
        assert_close(output[:length, row : row + 1], alone)
        assert_close(_row(after, row), _as_tuple(expected))
        assert (output[length:, row] == 0).all()


@by("name", "engine", "options", "way")
def test_packed_is_padded(name, engine, options, way):
    layer = _layer(name, engine, **DIRECTIONS[options] | WAYS[way])
    x, lengths = _input(T, B), torch.tensor([4, 9, 1, 6])
    packed, after = layer(pack_padded_sequence(x, lengths, enforce_sorted=False))
    assert_close((pad_packed_sequence(packed)[0], after), layer(x, lengths=lengths))


def _in_stretches(layer, x, state, starts):
    """One row, cut by hand before each start: one layer and direction at a time.

    A direction carries its given state into the stretch it runs first; the others start from what
    was learnt, or from zero.
    """
    directions = 1 + layer.bidirectional
    after = []
    for depth in range(layer.num_layers):
        outputs = []
        below = x
        x = drop(x, layer.dropout if depth else layer.dropout_input, True, layer.variational)
        for way in range(directions):
            index = depth * directions + way
            part = _one_direction(layer, depth, way, x.shape[2])
            current = tuple(s[index : index + 1] for s in state)
            pieces = list(x.tensor_split(starts))
            if 0 in starts and way == 0:
                current = _fresh(layer, index)
                pieces = pieces[1:]
            elif 0 in starts:
                pieces = pieces[1:]
            done = []
            for piece in pieces[::-1] if way else pieces:
                turned = piece.flip(0) if way else piece
                out, last = part(turned, current)
                done.append(out.flip(0) if way else out)
                current = _fresh(layer, index)
            outputs.append(torch.cat(done[::-1] if way else done))
            after.append(_as_tuple(last))
        x = torch.cat(outputs, dim=2)
        if layer.residual and depth > 0:
            x = x + below
    x = drop(x, layer.dropout_output, True, layer.variational)
    return x, tuple(torch.cat(states) for states in zip(*after, strict=True))


def _fresh(layer, index):
    """What a sequence starts from, in one layer and direction."""
    zero = torch.zeros(layer.num_layers * (1 + layer.bidirectional), H, dtype=torch.float64)
    learnt = [getattr(layer, f"initial_{state}", zero) for state in layer.cell.states]
    return tuple(each[index].view(1, 1, H) for each in learnt)


def _one_direction(layer, depth, way, features):
    """A forward layer of its own with the weights of one layer and direction."""
    part = engram.Recurrent(layer.cell, features, H, dtype=torch.float64)
    suffix = f"_l{depth}" + ("_reverse" if way else "")
    weights = {
        key: layer.state_dict()[key.removesuffix("_l0") + suffix] for key in part.state_dict()
    }
    part.load_state_dict(weights)
    return part


@by("name", "engine", "options", "way", "batch_first", lengths=[None, [9, 7, 8, 6]])
def test_a_reset_begins_a_separate_run(name, engine, options, way, lengths, batch_first):
    layer = _layer(name, engine, batch_first=batch_first, **DIRECTIONS[options] | WAYS[way])
    x, state = _input(T, B), _state(layer)
    starts = [[4], [], [1, 2, 7], [0, 5]]
    reset = torch.zeros(T, B, dtype=torch.bool)
    for row, at in enumerate(starts):
        reset[at, row] = True
        x[T if lengths is None else lengths[row] :, row] = torch.nan
    if batch_first:
        output, after = layer(x.transpose(0, 1), state, lengths=lengths, reset=reset.T)
        output = output.transpose(0, 1)
    else:
        output, after = layer(x, state, lengths=lengths, reset=reset)
    for row, at in enumerate(starts):
        length = T if lengths is None else lengths[row]
        alone = x[:length, row : row + 1]
        expected, expected_after = _in_stretches(layer, alone, _row(state, row), at)
        assert_close(output[:length, row : row + 1], expected)
        assert_close(_row(after, row), expected_after)


@by_engine
def test_resets_without_a_batch(engine):
    layer = _layer("lstm", engine)
    x, reset = _input(T), torch.zeros(T, dtype=torch.bool)
    reset[4] = True
    output, after = layer(x, reset=reset)
    assert_close(output[:4], layer(x[:4])[0])
    assert_close((output[4:], after), layer(x[4:]))


@by_engine
def test_uint8_marks_are_resets(engine):
    layer, x = _layer("gru", engine), _input(T, B)
    reset = torch.rand(T, B) < 0.3
    assert_close(layer(x, reset=reset.to(torch.uint8)), layer(x, reset=reset))


def test_a_step_needs_one_direction():
    layer = engram.LSTM(I, H, bidirectional=True)
    with pytest.raises(ConfigError, match=r"step\(\) runs one direction, and this layer is bidir"):
        layer.step(torch.randn(B, I))
