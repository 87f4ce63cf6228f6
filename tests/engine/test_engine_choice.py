"""Which engine runs a layer: the choice and its reason, and the refusals of one asked by name."""

import pytest
import torch

import engram
from engram.cells import CELLS, LSTM, Cell, make_cell
from engram.cells.language import tanh
from engram.engine import ENGINES, choose
from engram.errors import ConfigError


class Plain(Cell):
    gates = ("a",)

    def step(self, x, r, s, w):
        return {"h": tanh(x.a + r.a)}


CHOICES = [
    # cell, requested, see_steps, engine, reason
    (LSTM(), "auto", False, "torch", "torch has a fused layer with the equations of LSTM"),
    (LSTM(), "torch", False, "torch", "it was asked for by name"),
    (LSTM(), "reference", False, "reference", "it was asked for by name"),
    (LSTM(), "reference", True, "reference", "it was asked for by name"),
    (
        LSTM(),
        "auto",
        True,
        "reference",
        "torch's fused layer hides its gates and the states of single steps",
    ),
    (Plain(), "auto", False, "reference", "torch has no fused layer with the equations of Plain"),
    (Plain(), "auto", True, "reference", "torch has no fused layer with the equations of Plain"),
]


@pytest.mark.parametrize(("cell", "requested", "see_steps", "engine", "reason"), CHOICES)
def test_choice_and_reason(cell, requested, see_steps, engine, reason):
    choice = choose(cell, requested, see_steps=see_steps)
    assert (choice.engine, choice.reason) == (engine, reason)


@pytest.mark.parametrize("name", CELLS)
def test_every_built_in_cell_has_a_fused_layer(name):
    layer = engram.Recurrent(make_cell(name), 2, 3)
    assert engram.engine_of(layer).engine == "torch"
    assert engram.engine_of(layer, torch.ones(4, 1, 2)) == layer.choice()
    assert layer.choice(see_steps=True).engine == "reference"


def test_an_unknown_engine_is_answered_with_the_nearest():
    text = "engine 'torhc' is not known: did you mean 'torch'? accepted: auto, reference, torch"
    with pytest.raises(ConfigError) as fault:
        engram.LSTM(2, 3, engine="torhc")
    assert str(fault.value) == text
    assert ENGINES == ("auto", "reference", "torch")


def test_torch_by_name_is_refused_for_a_cell_without_a_fused_layer():
    text = "engine 'torch' cannot run this: torch has no fused layer with the equations of Plain; "
    with pytest.raises(ConfigError) as fault:
        engram.Recurrent(Plain(), 2, 3, engine="torch")
    assert str(fault.value) == text + "use engine='auto'"


@pytest.mark.parametrize("method", ["record", "unroll"])
def test_torch_by_name_is_refused_where_steps_must_be_seen(method):
    layer = engram.GRU(2, 3, engine="torch")
    assert layer(torch.ones(4, 1, 2))[0].shape == (4, 1, 3)
    with pytest.raises(ConfigError, match="torch's fused layer hides its gates and the states of"):
        getattr(layer, method)(torch.ones(4, 1, 2))


@pytest.mark.parametrize(("engine", "kept"), [("reference", 4), ("torch", 0)])
def test_the_engine_that_was_chosen_is_the_one_that_runs(engine, kept):
    layer = engram.LSTM(2, 3, engine=engine)
    passed, _ = layer._run(torch.ones(4, 1, 2), None, None, None)
    assert len(passed.results["layer0"].steps) == kept
