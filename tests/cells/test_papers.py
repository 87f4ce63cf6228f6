"""Every built-in cell computes what its paper says."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import engram
from engram.cells import CELLS, make_cell
from helpers.equations_of_papers import STEPS

T, B, I, H = 6, 3, 4, 5  # noqa: E741


def _layer(name, **options):
    torch.manual_seed(5)
    layer = engram.Recurrent(make_cell(name), I, H, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-1, 1)
    return layer


def _parameters(layer):
    """A layer's parameters by gate, as the papers write them; an unconnected block is not there."""
    gates = layer.cell.gates
    names = {"W": "weight_ih", "R": "weight_hh", "b": "bias_ih", "d": "bias_hh"}
    blocks = {}
    for short, name in names.items():
        whole = getattr(layer, f"{name}_l0").detach().numpy()
        blocks[short] = dict(zip(gates, whole.reshape(len(gates), H, -1), strict=True))
    for bias in ("b", "d"):
        blocks[bias] = {gate: value[:, 0] for gate, value in blocks[bias].items()}
    units = {name: getattr(layer, f"{name}_l0").detach().numpy() for name in layer.cell.weights}
    return SimpleNamespace(**blocks, w=units)


def _run(step, x, states, parameters):
    outputs = []
    for x_t in x:
        states = step(x_t, states, parameters)
        outputs.append(states["h"])
    return np.stack(outputs), states


def test_every_built_in_cell_has_its_equations_here():
    assert set(STEPS) == set(CELLS)


@pytest.mark.filterwarnings("ignore:.*runs on the reference engine:UserWarning")
@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_computes_its_paper_s_equations(name, engine):
    layer = _layer(name, engine=engine)
    x = torch.randn(T, B, I, dtype=torch.float64)
    with torch.no_grad():
        _, first = layer(x[:2])  # states that are not zero, and such as the cell itself makes
        output, last = layer(x, first)
    first, last = ((s,) if isinstance(s, torch.Tensor) else s for s in (first, last))
    before = {n: s[0].numpy() for n, s in zip(layer.cell.states, first, strict=True)}
    expected, after = _run(STEPS[name], x.numpy(), before, _parameters(layer))
    np.testing.assert_allclose(output.numpy(), expected, rtol=1e-10, atol=1e-12)
    for state, value in zip(layer.cell.states, last, strict=True):
        np.testing.assert_allclose(value[0].numpy(), after[state], rtol=1e-10, atol=1e-12)


def test_slstm_starts_from_zero_as_its_reference_does():
    """Also where the input gate is all but shut: n would underflow, were m taken as 0 there."""
    layer = _layer("slstm")
    with torch.no_grad():
        layer.bias_ih_l0[:H] = -800.0
    x = torch.randn(T, B, I, dtype=torch.float64)
    zero = {name: np.zeros((B, H)) for name in layer.cell.states}
    expected, _ = _run(STEPS["slstm"], x.numpy(), zero, _parameters(layer))
    for run in (layer, engram.Recurrent(layer.cell, I, H, dtype=torch.float64, engine="reference")):
        run.load_state_dict(layer.state_dict())
        output, state = run(x)
        np.testing.assert_allclose(output.detach().numpy(), expected, rtol=1e-10)
        assert (state[2] >= 1).all()
        gradients = torch.autograd.grad(output.sum(), list(run.parameters()))
        assert all(gradient.isfinite().all() for gradient in gradients)


RECORDED = {
    # gate: what stands in the recording, from the states and the preactivations
    "lstm-niaf": {"g": lambda net: net("g")},
    "mingru": {"z": lambda net: torch.sigmoid(net("z")), "n": lambda net: net("n")},
    "slstm": {"f": lambda net: torch.nn.functional.logsigmoid(net("f"))},
}


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_holds_the_gate_s_own_value(name, engine):
    layer = _layer(name, engine=engine)
    x = torch.randn(T, B, I, dtype=torch.float64)
    recording = layer.record(x)
    before = torch.cat([torch.zeros(1, B, H, dtype=torch.float64), recording["layer0.h"][:-1]])
    p = _parameters(layer)

    def net(gate):
        of_x = x @ torch.from_numpy(p.W[gate]).T + torch.from_numpy(p.b[gate] + p.d[gate])
        if not layer.cell.recurrent:
            return of_x
        return of_x + before @ torch.from_numpy(p.R[gate]).T

    for gate, value in RECORDED[name].items():
        torch.testing.assert_close(recording[f"layer0.{gate}"], value(net).detach())


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_normalised_gates_are_recorded_each_for_itself(engine):
    """The norm joins all gates, and still each is recorded with its own activation."""
    recording = _layer("lstm-layer-norm", engine=engine).record(torch.randn(T, B, I).double())
    i, f, g, c = (recording[f"layer0.{name}"] for name in "ifgc")
    before = torch.cat([torch.zeros(1, B, H, dtype=torch.float64), c[:-1]])
    torch.testing.assert_close(c, f * before + i * g)


def test_positive_candidates_are_the_paper_s_function():
    """Feng et al. 2024, appendix B: g(a) = a + ½ where a ≥ 0, else σ(a)."""
    a = torch.linspace(-4, 4, 101, dtype=torch.float64)
    from engram.cells.minimal import positive

    torch.testing.assert_close(positive(a), torch.where(a >= 0, a + 0.5, torch.sigmoid(a)))
