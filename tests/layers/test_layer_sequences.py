"""Ways to cut a sequence that must not change what comes out: steps, chunks, rows, resets."""

import pytest
import torch
from torch.testing import assert_close

import engram
from engram.cells import CELLS, make_cell
from engram.errors import ConfigError

I, H, T, B = 3, 5, 9, 4  # noqa: E741
DIRECTIONS = {
    "forward": {"num_layers": 2},
    "both directions": {"num_layers": 2, "bidirectional": True},
}
by_cell = pytest.mark.parametrize("name", CELLS)
by_engine = pytest.mark.parametrize("engine", ["torch", "reference"])
by_direction = pytest.mark.parametrize("options", DIRECTIONS.values(), ids=list(DIRECTIONS))


def _layer(name, engine, **options):
    return engram.Recurrent(make_cell(name), I, H, engine=engine, dtype=torch.float64, **options)


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


@by_cell
@by_engine
@pytest.mark.parametrize("batch_first", [False, True])
def test_step_by_step_is_the_whole(name, engine, batch_first):
    layer = _layer(name, engine, num_layers=2, batch_first=batch_first)
    x, state = _input(T, B), _state(layer)
    output, after = layer(x.transpose(0, 1) if batch_first else x, state)
    outputs = []
    for x_t in x:
        one, state = layer.step(x_t, state)
        outputs.append(one)
    assert_close(torch.stack(outputs, dim=1 if batch_first else 0), output)
    assert_close(state, after)


@by_cell
@pytest.mark.parametrize("batch_first", [False, True])
def test_steps_without_a_batch(name, batch_first):
    layer = _layer(name, "auto", num_layers=2, batch_first=batch_first)
    x, state = _input(T), None
    outputs = []
    for x_t in x:
        one, state = layer.step(x_t, state)
        outputs.append(one)
    assert_close((torch.stack(outputs), state), layer(x))


@by_cell
@by_engine
@pytest.mark.parametrize("cuts", [(1,), (4,), (2, 3, 8)])
def test_chunks_with_carried_state_are_the_whole(name, engine, cuts):
    layer = _layer(name, engine, num_layers=2)
    x, state = _input(T, B), _state(layer)
    output, after = layer(x, state)
    outputs = []
    for chunk in x.tensor_split(cuts):
        part, state = layer(chunk, state)
        outputs.append(part)
    assert_close((torch.cat(outputs), state), (output, after))


@by_cell
@by_engine
@by_direction
@pytest.mark.parametrize("lengths", [[9, 1, 4, 9], [3, 5, 1, 2], [6, 6, 6, 6]])
def test_padded_is_each_row_alone(name, engine, options, lengths):
    layer = _layer(name, engine, **options)
    x, state = _input(T, B), _state(layer)
    output, after = layer(x, state, lengths=lengths)
    assert output.shape[:2] == (T, B)
    for row, length in enumerate(lengths):
        alone, expected = layer(x[:length, row : row + 1], _row(state, row))
        assert_close(output[:length, row : row + 1], alone)
        assert_close(_row(after, row), _as_tuple(expected))
        assert (output[length:, row] == 0).all()


def _in_stretches(layer, x, state, starts):
    """One row, cut by hand before each start: one layer and direction at a time.

    A direction carries its given state into the stretch it runs first, and zero into the others.
    """
    directions = 1 + layer.bidirectional
    after = []
    for depth in range(layer.num_layers):
        outputs = []
        for way in range(directions):
            index = depth * directions + way
            part = _one_direction(layer, depth, way, x.shape[2])
            current = tuple(s[index : index + 1] for s in state)
            pieces = list(x.tensor_split(starts))
            if 0 in starts and way == 0:
                current = tuple(torch.zeros_like(s) for s in current)
                pieces = pieces[1:]
            elif 0 in starts:
                pieces = pieces[1:]
            done = []
            for piece in pieces[::-1] if way else pieces:
                turned = piece.flip(0) if way else piece
                out, last = part(turned, current)
                done.append(out.flip(0) if way else out)
                current = tuple(torch.zeros_like(s) for s in _as_tuple(last))
            outputs.append(torch.cat(done[::-1] if way else done))
            after.append(_as_tuple(last))
        x = torch.cat(outputs, dim=2)
    return x, tuple(torch.cat(states) for states in zip(*after, strict=True))


def _one_direction(layer, depth, way, features):
    """A forward layer of its own with the weights of one layer and direction."""
    part = engram.Recurrent(layer.cell, features, H, dtype=torch.float64)
    suffix = f"_l{depth}" + ("_reverse" if way else "")
    weights = {
        key: layer.state_dict()[key.removesuffix("_l0") + suffix] for key in part.state_dict()
    }
    part.load_state_dict(weights)
    return part


@by_cell
@by_engine
@by_direction
@pytest.mark.parametrize("lengths", [None, [9, 7, 8, 6]])
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_reset_begins_a_separate_run(name, engine, options, lengths, batch_first):
    layer = _layer(name, engine, batch_first=batch_first, **options)
    x, state = _input(T, B), _state(layer)
    starts = [[4], [], [1, 2, 7], [0, 5]]
    reset = torch.zeros(T, B, dtype=torch.bool)
    for row, at in enumerate(starts):
        reset[at, row] = True
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
