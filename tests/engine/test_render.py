"""Rendering: the equations and the diagrams of a cell, as its definition says them."""

import re

import pytest

from engram.cells import CELLS, make_cell
from engram.engine.mermaid import mermaid
from engram.engine.render import diagram, latex

PRE = "W_{{{0}}} x_t + b_{{{0}}} + R_{{{0}}} h_{{t-1}} + b'_{{{0}}}"


def _gate(name, function="\\sigma"):
    return f"{name}_t = {function}\\left({PRE.format(name)}\\right)"


def test_lstm_is_written_as_in_the_books():
    assert latex(make_cell("lstm")) == [
        _gate("i"),
        _gate("f"),
        _gate("g", "\\tanh"),
        "c_t = c_{t-1} \\odot f_t + i_t \\odot g_t",
        _gate("o"),
        "h_t = o_t \\odot \\tanh\\left(c_t\\right)",
    ]


def test_gru_keeps_its_recurrent_part_in_brackets():
    lines = latex(make_cell("gru"))
    assert "\\left(R_{n} h_{t-1} + b'_{n}\\right) \\odot r_t" in lines[2]
    assert lines[-1] == "h_t = \\left(1 - z_t\\right) \\odot n_t + h_{t-1} \\odot z_t"


def test_a_late_product_is_written_with_what_it_multiplies():
    assert "R_{n} \\left(h_{t-1} \\odot r_t\\right) + b'_{n}" in latex(make_cell("gru-cho"))[2]


def test_what_is_not_connected_is_not_written():
    lines = {line.split(" = ")[0]: line for line in latex(make_cell("lstm-fgr"))}
    assert "R_{g} h_{t-1} + b'_{g}" in lines["g_t"]
    fed = ", ".join(["h_{t-1}", *(f"\\mathrm{{last}}_{{{gate},t-1}}" for gate in "ifo")])
    for gate in "ifo":
        assert f"R_{{{gate}}} \\left[{fed}\\right]" in lines[f"\\mathrm{{last}}_{{{gate},t}}"]


def test_numbers_stand_in_front_and_squares_and_powers_are_written_as_such():
    assert latex(make_cell("elman-leaky"))[1] == "h_t = 0.5\\, h_{t-1} + 0.5\\, a_t"
    assert "i_t \\odot \\left(4\\, g_t - 2\\right)" in latex(make_cell("lstm-1997"))[2]
    text = " ".join(latex(make_cell("lstm-layer-norm")))
    assert "\\sqrt{\\mathrm{mean}\\left(u_{5,t}^2\\right) + 10^{-5}}" in text


@pytest.mark.parametrize("name", CELLS)
def test_brackets_are_balanced_and_every_state_has_an_equation(name):
    lines = latex(make_cell(name))
    for line in lines:
        assert line.count("\\left(") == line.count("\\right)")
        assert line.count("{") == line.count("}")
    defined = [line.split(" = ")[0] for line in lines]
    assert len(set(defined)) == len(defined)
    states = make_cell(name).states
    letters = {"last_i": "\\mathrm{last}_{i,t}", "last_f": "\\mathrm{last}_{f,t}"}
    letters |= {"last_o": "\\mathrm{last}_{o,t}"}
    assert {letters.get(state, f"{state}_t") for state in states} <= set(defined)


def test_the_stabilised_cell_names_what_it_uses_twice():
    lines = latex(make_cell("slstm"))
    assert lines[0].startswith("\\log f_t = \\log\\sigma\\left(")
    assert lines[1].startswith("\\hat{i}_t = W_{i} x_t")
    assert lines[3] == "m_t = \\max\\left(\\hat{i}_t, u_{1,t}\\right)"


@pytest.mark.parametrize("name", CELLS)
def test_diagram_joins_only_what_it_names_and_flows_forward(name):
    drawn = diagram(make_cell(name))
    assert all(a in drawn.nodes and b in drawn.nodes and a < b for a, b in drawn.edges)
    assert set(drawn.outputs.values()) <= set(drawn.nodes)
    cell = make_cell(name)
    assert {f"x.{gate}" for gate in cell.gates} <= set(drawn.nodes.values())


def test_the_flow_of_an_lstm():
    assert mermaid(make_cell("lstm")).split("\n    classDef")[0].split("\n    ") == [
        "flowchart LR",
        'n0(["cₜ₋₁"]):::state',
        'n1["σ(i)<br/>from x, h"]:::gate',
        'n2["σ(f)<br/>from x, h"]:::gate',
        'n3["tanh(g)<br/>from x, h"]:::gate',
        'n4(("×")):::op',
        'n5(("×")):::op',
        'n6(("+")):::op',
        'n7["σ(o)<br/>from x, h"]:::gate',
        'n8(("tanh")):::op',
        'n9(("×")):::op',
        *("n0 --> n4", "n2 --> n4", "n1 --> n5", "n3 --> n5", "n4 --> n6", "n5 --> n6"),
        *("n6 --> n8", "n7 --> n9", "n8 --> n9"),
        'after_h(["hₜ"]):::state',
        "n9 --> after_h",
        'after_c(["cₜ"]):::state',
        "n6 --> after_c",
    ]


def test_operations_on_one_value_stand_together():
    text = mermaid(make_cell("lstm-1997"))
    assert '("× 4, − 2"):::op' in text
    assert '("σ, × 2, − 1"):::op' in text
    assert '("1 −, relu, × 10000"):::op' in mermaid(make_cell("slstm"))


def test_a_flow_says_what_a_gate_is_made_from():
    assert '["σ(z)<br/>from x"]' in mermaid(make_cell("mingru"))
    assert '["i<br/>from x, h, last_i, last_f, last_o"]' in mermaid(make_cell("lstm-fgr"))
    assert '["tanh(g)<br/>from x, h"]' in mermaid(make_cell("lstm-fgr"))
    late = mermaid(make_cell("gru-cho"))
    assert '["tanh(n)<br/>from x"]' in late
    assert '-- "R" -->' in late


@pytest.mark.parametrize("name", CELLS)
def test_a_flow_joins_what_it_defines_and_ends_in_every_state(name):
    cell, text = make_cell(name), mermaid(make_cell(name))
    defined = re.findall(r"^    (\w+)[\[(]", text, re.MULTILINE)
    arrows = re.findall(r"^    (\w+) --.*> (\w+)$", text, re.MULTILINE)
    assert len(set(defined)) == len(defined)
    assert {end for arrow in arrows for end in arrow} == set(defined)
    assert {target for _, target in arrows} >= {f"after_{state}" for state in cell.states}
    named = set(re.findall(r'\["(?:[^"]*\()?(\w+)\)?<br/>', text))
    assert named == set(cell.gates)
