"""Zoneout and recurrent dropout, as cells made of cells."""

import pytest
import torch

from engram.cells import CELLS, GRU, LSTM, SLSTM, Cell, Elman, MinGRU, RecurrentDropout, Zoneout
from engram.cells import language as L
from engram.cells.base import take_step
from engram.cells.registry import make_cell
from engram.errors import ConfigError


def _blocks(cell, rows=4, units=5):
    draw = torch.Generator().manual_seed(0)

    def block(names):
        shape = rows, units
        return {n: torch.randn(shape, generator=draw, dtype=torch.float64) for n in names}

    return block(cell.gates), block(cell.gates), block(cell.states), block(cell.weights)


def _step(cell, blocks, **masks):
    x, r, s, w = blocks
    return take_step(cell, x, r, s, w | masks)


@pytest.mark.parametrize("name", [n for n in CELLS if n != "slstm"])
def test_zoneout_lies_between_the_old_state_and_the_new(name):
    inside = make_cell(name)
    cell = Zoneout(inside, dict.fromkeys(inside.states, 0.25))
    blocks = _blocks(inside)
    new, old = _step(inside, blocks), blocks[2]
    d = (torch.rand(4, 5, generator=torch.Generator().manual_seed(1)) < 0.5).double()
    after = _step(cell, blocks, **{f"zone_{state}": d for state in inside.states})
    expected = Zoneout(inside, dict.fromkeys(inside.states, 0.25), expected=True)
    mean = _step(expected, blocks)
    for state in inside.states:
        torch.testing.assert_close(after[state], torch.where(d > 0, old[state], new[state]))
        torch.testing.assert_close(mean[state], 0.25 * old[state] + 0.75 * new[state])
    assert expected.masks == ()


def test_zoneout_of_an_lstm_shows_the_memory_before_it_is_held_back():
    inside, blocks = LSTM(), _blocks(LSTM())
    kept = _step(Zoneout(inside, {"c": 0.5}), blocks, zone_c=torch.ones(4, 5).double())
    torch.testing.assert_close(kept["c"], blocks[2]["c"])
    torch.testing.assert_close(kept["h"], _step(inside, blocks)["h"])


def test_states_that_are_not_named_draw_nothing():
    assert Zoneout(LSTM(), {"c": 0.5, "h": 0.0}).masks == ("zone_c",)
    assert Zoneout(RecurrentDropout(GRU()), {"h": 0.1}).masks == ("drop", "zone_h")
    assert Zoneout(LSTM(), {"c": 0.5}) == Zoneout(LSTM(), {"c": 0.5})
    assert Zoneout(LSTM(), {"c": 0.5}) != Zoneout(LSTM(), {"c": 0.4})
    assert Zoneout(LSTM(), {"c": 0.5}) != Zoneout(LSTM(peepholes=True), {"c": 0.5})


WITH_CANDIDATE = [name for name in CELLS if make_cell(name).candidate is not None]


def test_which_cells_name_a_candidate():
    assert set(CELLS) - set(WITH_CANDIDATE) == {"elman", "elman-relu"}


@pytest.mark.parametrize("name", WITH_CANDIDATE)
def test_recurrent_dropout_drops_what_is_new(name):
    inside = make_cell(name)
    cell, blocks = RecurrentDropout(inside), _blocks(inside)
    ones = torch.ones(4, 5).double()
    whole, plain = _step(cell, blocks, drop=ones), _step(inside, blocks)
    for state in inside.states:
        torch.testing.assert_close(whole[state], plain[state])
    if getattr(inside, "layer_norm", False):
        return  # a norm over all gates: the candidate's preactivation moves the others
    # with all of it dropped, the candidate's own preactivation moves nothing
    dropped = _step(cell, blocks, drop=0 * ones)
    x = blocks[0] | {inside.candidate: blocks[0][inside.candidate] + 1.0}
    moved = _step(cell, (x, *blocks[1:]), drop=0 * ones)
    for state in inside.states:
        torch.testing.assert_close(dropped[state], moved[state])


def test_recurrent_dropout_by_hand():
    cell, blocks = RecurrentDropout(LSTM()), _blocks(LSTM())
    x, r, s, _ = blocks
    a = {gate: x[gate] + r[gate] for gate in "ifgo"}
    d = 2.0 * (torch.rand(4, 5, generator=torch.Generator().manual_seed(1)) < 0.5).double()
    c = a["f"].sigmoid() * s["c"] + a["i"].sigmoid() * d * a["g"].tanh()
    after = _step(cell, blocks, drop=d)
    torch.testing.assert_close(after["c"], c)
    torch.testing.assert_close(after["h"], a["o"].sigmoid() * c.tanh())


class Unmarked(Cell):
    """Names a candidate, and marks no value as such."""

    gates = ("a",)
    candidate = "a"

    def step(self, x, r, s, w):
        return {"h": 0.5 * s.h + 0.5 * L.tanh(x.a + r.a)}


def test_faults():
    with pytest.raises(ConfigError, match=r"'x' of LSTM\(\).*zoneout of h is 1\.0; it takes"):
        Zoneout(LSTM(), {"x": 0.1, "h": 1.0})
    with pytest.raises(ConfigError, match="zoneout of c is 'half'"):
        Zoneout(LSTM(), {"c": "half"})
    with pytest.raises(ConfigError, match=r"c, n, m of .* together.*choose from h"):
        Zoneout(SLSTM(), {"c": 0.5})
    with pytest.raises(ConfigError, match="declares no gate that computes them"):
        RecurrentDropout(Elman())
    with pytest.raises(ConfigError, match=r"does not mark its value; write candidate\(tanh"):
        _step(RecurrentDropout(Unmarked()), _blocks(Unmarked()), drop=torch.ones(4, 5).double())
    with pytest.raises(ConfigError, match="candidate"):
        type("Wrong", (Cell,), {"gates": ("a",), "candidate": "b"})
    with pytest.raises(ConfigError, match="a weight and a mask"):
        type("Twice", (Cell,), {"gates": ("a",), "weights": ("p",), "masks": ("p",)})


def test_options_keep_their_names():
    assert repr(MinGRU(candidate="positive")) == "MinGRU(candidate='positive')"
    assert repr(Zoneout(LSTM(peepholes=True), {"c": 0.5})) == (
        "Zoneout(cell=LSTM(peepholes=True), probabilities=(('c', 0.5),))"
    )
