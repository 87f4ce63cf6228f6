"""Cells agree with those of other projects to 1e-5: ONNX's operator, torchrecurrent, xlstm.

A peer that is not installed is left out; ONNX's operator stands here in its documented equations
too.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

import engram
from engram.cells import GRU, LSTM, SLSTM, Cell

T, B, I, H = 9, 3, 4, 5  # noqa: E741
NEAR = {"rtol": 0, "atol": 1e-5}


def _layer(cell: Cell, dtype=torch.float32):
    torch.manual_seed(2)
    layer = engram.Recurrent(cell, I, H, dtype=dtype)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-0.8, 0.8)
    return layer


ONNX_VARIANTS = {
    "plain": LSTM(),
    "peepholes": LSTM(peepholes=True),
    "coupled": LSTM(coupled=True),
    "coupled with peepholes": LSTM(coupled=True, peepholes=True),
    "no output activation": LSTM(peepholes=True, output_activation="identity"),
}


def _onnx_weights(layer):
    """W, R, B and P as the operator takes them: gates i, o, f, c, peepholes i, o, f."""
    gates = dict(zip("iofc", "iofg", strict=True))

    def blocks(name):
        own = dict(
            zip(layer.cell.gates, getattr(layer, f"{name}_l0").detach().split(H), strict=True)
        )
        # what is not there is not looked at
        empty = torch.zeros_like(next(iter(own.values())))
        return torch.cat([own.get(ours, empty) for ours in gates.values()]).numpy()

    nothing = torch.zeros(H)
    peepholes = [getattr(layer, f"p_{gate}_l0", nothing).detach() for gate in "iof"]
    return {
        "W": blocks("weight_ih")[None],
        "R": blocks("weight_hh")[None],
        "B": np.concatenate([blocks("bias_ih"), blocks("bias_hh")])[None],
        "P": torch.cat(peepholes).numpy()[None],
    }


def _onnx_equations(x, h, c, given, cell):
    """The operator's documentation, line by line."""
    w_i, w_o, w_f, w_c = np.split(given["W"][0], 4)
    r_i, r_o, r_f, r_c = np.split(given["R"][0], 4)
    wb_i, wb_o, wb_f, wb_c, rb_i, rb_o, rb_f, rb_c = np.split(given["B"][0], 8)
    p_i, p_o, p_f = np.split(given["P"][0], 3)
    last = np.tanh if cell.output_activation == "tanh" else lambda a: a

    def f(a):
        return 1 / (1 + np.exp(-a))

    outputs = []
    for x_t in x:
        i_t = f(x_t @ w_i.T + h @ r_i.T + p_i * c + wb_i + rb_i)
        f_t = f(x_t @ w_f.T + h @ r_f.T + p_f * c + wb_f + rb_f)
        c_t = np.tanh(x_t @ w_c.T + h @ r_c.T + wb_c + rb_c)
        if cell.coupled:
            f_t = 1 - i_t
        c = f_t * c + i_t * c_t
        o_t = f(x_t @ w_o.T + h @ r_o.T + p_o * c + wb_o + rb_o)
        h = o_t * last(c)
        outputs.append(h)
    return np.stack(outputs), h, c


def _run_operator(operator, names_in, names_out, given, **attributes):
    """ONNX Runtime on one operator."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node(operator, names_in, names_out, hidden_size=H, **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(n, kind, v.shape) for n, v in given.items()],
        [helper.make_tensor_value_info(n, kind, None) for n in names_out],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(names_out, given)


def _onnx_run(x, h, c, given, cell):
    last = "Tanh" if cell.output_activation == "tanh" else "Affine"
    y, y_h, y_c = _run_operator(
        "LSTM",
        ["x", "W", "R", "B", "", "h", "c", "P"],
        ["y", "y_h", "y_c"],
        given | {"x": x, "h": h[None], "c": c[None]},
        input_forget=int(cell.coupled),
        activations=["Sigmoid", "Tanh", last],
        activation_alpha=[1.0],  # of Affine
    )
    return y[:, 0], y_h[0], y_c[0]


@pytest.mark.parametrize("operator", [_onnx_equations, _onnx_run], ids=["equations", "runtime"])
@pytest.mark.parametrize("variant", ONNX_VARIANTS)
def test_the_lstm_operator_of_onnx(variant, operator):
    layer = _layer(ONNX_VARIANTS[variant])
    x, h, c = torch.randn(T, B, I), torch.randn(B, H), torch.randn(B, H)
    expected = operator(x.numpy(), h.numpy(), c.numpy(), _onnx_weights(layer), layer.cell)
    with torch.no_grad():
        output, after = layer(x, (h[None], c[None]))
    for ours, theirs in zip((output, *(state[0] for state in after)), expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, **NEAR)


@pytest.mark.filterwarnings("ignore:.*runs on the reference engine:UserWarning")
@pytest.mark.parametrize("reset", ["after", "before"])
def test_the_gru_operator_of_onnx(reset):
    layer = _layer(GRU(reset=reset))

    def blocks(name):
        r, z, n = getattr(layer, f"{name}_l0").detach().split(H)
        return torch.cat([z, r, n]).numpy()

    x, h = torch.randn(T, B, I), torch.randn(B, H)
    given = {
        "x": x.numpy(),
        "W": blocks("weight_ih")[None],
        "R": blocks("weight_hh")[None],
        "B": np.concatenate([blocks("bias_ih"), blocks("bias_hh")])[None],
        "h": h.numpy()[None],
    }
    names = ["x", "W", "R", "B", "", "h"]
    (y,) = _run_operator("GRU", names, ["y"], given, linear_before_reset=int(reset == "after"))
    with torch.no_grad():
        output, _ = layer(x, h[None])
    np.testing.assert_allclose(output.numpy(), y[:, 0], **NEAR)


def test_the_peephole_lstm_of_torchrecurrent():
    peers = pytest.importorskip("torchrecurrent")
    layer = _layer(LSTM(peepholes=True))
    own = layer.state_dict()
    peepholes = torch.cat([own.pop(f"p_{gate}_l0") for gate in "ifo"])
    peer = peers.PeepholeLSTM(I, H)
    peer.load_state_dict(
        {f"cells.0.{name.removesuffix('_l0')}": value for name, value in own.items()}
        | {"cells.0.weight_ph": peepholes}
    )
    x = torch.randn(T, B, I)
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    results = []
    for module, weights in (
        (layer, [layer.get_parameter(f"{name}_l0") for name in names]),
        (peer, [peer.get_parameter(f"cells.0.{name}") for name in names]),
    ):
        given = x.clone().requires_grad_()
        output = module(given)[0]
        total = (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum()
        results.append([output.detach(), *torch.autograd.grad(total, [given, *weights])])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, **NEAR)


@pytest.fixture
def step_of_xlstm():
    """The plain step of the package xlstm, loaded by itself: the package wants much more."""
    found = importlib.util.find_spec("xlstm")
    if found is None:
        pytest.skip("xlstm is not installed")
    folder = Path(found.submodule_search_locations[0])
    path = folder / "blocks" / "slstm" / "src" / "vanilla" / "slstm.py"
    spec = importlib.util.spec_from_file_location("slstm_of_xlstm", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.slstm_forward_pointwise


def test_the_slstm_of_xlstm(step_of_xlstm):
    """Gate order i, f, z, o there too; states y, c, n, m from zero; and its gradients."""
    layer = _layer(SLSTM())
    x = torch.randn(T, B, I)
    weights = list(layer.parameters())
    bias = (layer.bias_ih_l0 + layer.bias_hh_l0)[None]
    states, outputs = torch.zeros(4, B, H), []
    for x_t in x:
        of_x, of_h = x_t @ layer.weight_ih_l0.T, states[0] @ layer.weight_hh_l0.T
        states, _ = step_of_xlstm(of_x, of_h, bias, states, {})
        outputs.append(states[0])
    expected = torch.stack(outputs)
    output, after = layer(x)
    torch.testing.assert_close(output, expected, **NEAR)
    for ours, theirs in zip(after, states, strict=True):
        torch.testing.assert_close(ours[0], theirs, **NEAR)
    upstream = torch.linspace(-1, 1, output.numel()).view_as(output)
    for ours, theirs in zip(
        torch.autograd.grad(output, weights, upstream),
        torch.autograd.grad(expected, weights, upstream),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, **NEAR)
