"""Rendering: the equations and the diagram of a cell, as its definition says them."""

import pytest

from engram.cells import CELLS, make_cell
from engram.engine.render import diagram, latex

PRE = "W_{{{0}}} x_t + b_{{{0}}} + R_{{{0}}} h_{{t-1}} + b'_{{{0}}}"


def _gate(name, function="\\sigma"):
    return f"{name}_t = {function}\\left({PRE.format(name)}\\right)"


def test_lstm_is_written_as_in_the_books():
    assert latex(make_cell("lstm")) == [
        _gate("f"),
        _gate("i"),
        _gate("g", "\\tanh"),
        "c_t = c_{t-1} \\odot f_t + i_t \\odot g_t",
        _gate("o"),
        "h_t = o_t \\odot \\tanh\\left(c_t\\right)",
    ]


def test_gru_keeps_its_recurrent_part_in_brackets():
    lines = latex(make_cell("gru"))
    assert "\\left(R_{n} h_{t-1} + b'_{n}\\right) \\odot r_t" in lines[2]
    assert lines[-1] == "h_t = n_t \\odot \\left(1 - z_t\\right) + h_{t-1} \\odot z_t"


@pytest.mark.parametrize("name", CELLS)
def test_brackets_are_balanced_and_every_state_has_an_equation(name):
    lines = latex(make_cell(name))
    for line in lines:
        assert line.count("\\left(") == line.count("\\right)")
        assert line.count("{") == line.count("}")
    defined = [line.split(" = ")[0] for line in lines]
    assert len(set(defined)) == len(defined)
    assert {f"{state}_t" for state in make_cell(name).states} <= set(defined)


@pytest.mark.parametrize("name", CELLS)
def test_diagram_joins_only_what_it_names_and_flows_forward(name):
    drawn = diagram(make_cell(name))
    assert all(a in drawn.nodes and b in drawn.nodes and a < b for a, b in drawn.edges)
    assert set(drawn.outputs.values()) <= set(drawn.nodes)
    cell = make_cell(name)
    assert {f"x.{gate}" for gate in cell.gates} <= set(drawn.nodes.values())
