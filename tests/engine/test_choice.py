"""Which engine runs a layer: the choice and its reason, and the refusals of one asked by name."""

import pytest
import torch

import engram
from engram.cells import CELLS, LSTM, Cell, make_cell
from engram.cells.language import tanh
from engram.engine import ENGINES, choose
from engram.engine.dispatch import _say_once
from engram.errors import ConfigError
from engram.layers.unrolled import unrolled


class Plain(Cell):
    gates = ("a",)

    def step(self, x, r, s, w):
        return {"h": tanh(x.a + r.a)}


class Branching(Cell):
    """Right as a loop in torch, and nothing that a graph can hold."""

    gates = ("a",)

    def step(self, x, r, s, w):
        return {"h": torch.erf(x.a + r.a)}


CHOICES = [
    # cell, requested, engine, reason
    (LSTM(), "auto", "cpu", "LSTM is compiled for this machine from its equations"),
    (LSTM(), "cpu", "cpu", "it was asked for by name"),
    (LSTM(), "torch", "torch", "it was asked for by name"),
    (LSTM(), "reference", "reference", "it was asked for by name"),
    (Plain(), "auto", "cpu", "Plain is compiled for this machine from its equations"),
]


@pytest.mark.parametrize(("cell", "requested", "engine", "reason"), CHOICES)
def test_choice_and_reason(cell, requested, engine, reason):
    choice = choose(cell, requested)
    assert (choice.engine, choice.reason) == (engine, reason)


@pytest.mark.parametrize("name", [name for name in CELLS if not make_cell(name).late])
def test_every_built_in_cell_has_kernels_and_torch_s_have_a_fused_layer(name):
    cell = make_cell(name)
    layer = engram.Recurrent(cell, 2, 3)
    assert engram.engine_of(layer).engine == "cpu"
    with unrolled(layer):
        assert layer.choice().engine == "reference"
    if cell.torch_layer is not None:
        assert engram.Recurrent(cell, 2, 3, engine="torch").choice().engine == "torch"


def test_a_product_within_the_step_runs_as_a_loop_and_says_so_once():
    _say_once.cache_clear()
    with pytest.warns(UserWarning, match=r"cell GRU multiplies .* within the step.*which is slow"):
        layer = engram.Recurrent(make_cell("gru-cho"), 2, 3)
    assert layer.choice().engine == "reference"
    engram.Recurrent(make_cell("gru-cho"), 2, 3)
    with pytest.raises(ConfigError, match="engine 'cpu' cannot run this: cell GRU multiplies"):
        engram.Recurrent(make_cell("gru-cho"), 2, 3, engine="cpu")


def test_engine_of_names_what_was_compiled():
    choice = engram.engine_of(engram.Recurrent(Plain(), 2, 3), torch.ones(4, 5, 2))
    assert choice.engine == "cpu"
    made = choice.compiled[0]
    assert made.name.startswith(("forward", "backward"))
    assert made.seconds > 0
    assert made.size > 0


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (
            torch.ones(1, dtype=torch.bfloat16),
            "torch has a fused layer for LSTM, and kernels compute in float32 and float64 and a "
            "tensor is torch.bfloat16",
        ),
        (
            torch.ones(1, device="meta"),
            "torch has a fused layer for LSTM, and kernels run on the CPU and a tensor is on meta",
        ),
    ],
)
def test_tensors_that_kernels_do_not_take(tensor, reason):
    assert choose(LSTM(), tensors=[tensor]).reason == reason
    with pytest.raises(ConfigError, match="engine 'cpu' cannot run this: kernels"):
        choose(LSTM(), "cpu", tensors=[tensor])


def test_a_cell_that_cannot_be_compiled_runs_as_a_loop_and_says_so_once():
    with pytest.warns(UserWarning, match=r"cell Branching: step line \d+ .*erf.*which is slow"):
        layer = engram.Recurrent(Branching(), 2, 3)
    assert layer.choice().engine == "reference"
    assert "cell Branching: step line" in layer.choice().reason
    assert layer(torch.ones(4, 1, 2))[0].shape == (4, 1, 3)
    with pytest.raises(ConfigError, match="engine 'cpu' cannot run this: cell Branching: step"):
        engram.Recurrent(Branching(), 2, 3, engine="cpu")


def test_an_unknown_engine_is_answered_with_the_nearest():
    text = (
        "engine 'torhc' is not known: did you mean 'torch'? accepted: auto, cpu, reference, torch"
    )
    with pytest.raises(ConfigError) as fault:
        engram.LSTM(2, 3, engine="torhc")
    assert str(fault.value) == text
    assert [each.name for each in ENGINES] == ["cpu", "torch", "reference"]


def test_torch_by_name_is_refused_for_a_cell_without_a_fused_layer():
    text = "engine 'torch' cannot run this: torch has no fused layer with the equations of Plain; "
    with pytest.raises(ConfigError) as fault:
        engram.Recurrent(Plain(), 2, 3, engine="torch")
    assert str(fault.value) == text + "use engine='auto'"


def test_torch_by_name_is_refused_where_gates_must_be_seen():
    layer = engram.GRU(2, 3, engine="torch")
    assert layer(torch.ones(4, 1, 2))[0].shape == (4, 1, 3)
    with pytest.raises(ConfigError, match="torch's fused layer hides its gates"):
        layer.record(torch.ones(4, 1, 2))
    with unrolled(layer) as passes:  # which asks for the reference engine itself
        layer(torch.ones(4, 1, 2))
    assert len(passes[""][0].results["layer0"].steps) == 4


@pytest.mark.parametrize(("engine", "kept"), [("reference", 4), ("torch", 0), ("cpu", 0)])
def test_the_engine_that_was_chosen_is_the_one_that_runs(engine, kept):
    layer = engram.LSTM(2, 3, engine=engine)
    passed, _ = layer._run(torch.ones(4, 1, 2), None, None, None)
    assert len(passed.results["layer0"].steps) == kept
