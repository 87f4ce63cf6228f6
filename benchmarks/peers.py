"""Peers: what Engram is measured against.

The loops are what a user who knows torch would write: the input's product once for all steps, the
steps by ``unbind`` (indexing costs a zero-filled gradient of the whole sequence each time), and one
``stack`` at the end.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from engram.layers import Recurrent


class MinimalGatedLoop(nn.Module):
    """The minimal gated unit as a loop over torch operations, with the weights of a layer."""

    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    def __init__(self, layer: Recurrent) -> None:
        super().__init__()
        self.hidden_size = layer.hidden_size
        for name, value in layer.named_parameters():
            self.register_parameter(name, nn.Parameter(value.detach().clone()))

    def forward(self, x: Tensor) -> Tensor:
        projected = nn.functional.linear(x, self.weight_ih_l0, self.bias_ih_l0)
        recurrent = self.weight_hh_l0.t()
        h = x.new_zeros(x.shape[1], self.hidden_size)
        outputs = []
        for step in projected.unbind(0):
            x_f, x_n = step.chunk(2, dim=1)
            r_f, r_n = torch.addmm(self.bias_hh_l0, h, recurrent).chunk(2, dim=1)
            f = torch.sigmoid(x_f + r_f)
            h = torch.lerp(h, torch.tanh(torch.addcmul(x_n, f, r_n)), f)
            outputs.append(h)
        return torch.stack(outputs)


class LSTMCellLoop(nn.Module):
    """nn.LSTMCell called for each step, with the weights of a layer."""

    def __init__(self, layer: Recurrent) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(layer.input_size, layer.hidden_size)
        weights = {n.removesuffix("_l0"): value for n, value in layer.state_dict().items()}
        self.cell.load_state_dict(weights)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(x.shape[1], self.cell.hidden_size)
        outputs = []
        for step in x.unbind(0):
            h, c = self.cell(step, (h, c))
            outputs.append(h)
        return torch.stack(outputs)


def torch_twin(layer: Recurrent, kind: Callable[..., nn.RNNBase]) -> nn.RNNBase:
    """torch's layer of the same sizes and weights."""
    twin = kind(
        layer.input_size,
        layer.hidden_size,
        layer.num_layers,
        bidirectional=layer.bidirectional,
        dtype=next(layer.parameters()).dtype,
    )
    twin.load_state_dict(layer.state_dict())
    return twin


def packed_output(layer: nn.RNNBase, x: Tensor, lengths: Tensor) -> Tensor:
    """Run torch's layer on rows of different lengths, from padded to padded."""
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    return pad_packed_sequence(layer(packed)[0], total_length=x.shape[0])[0]


def torchrecurrent_twin(layer: Recurrent) -> nn.Module:
    """torchrecurrent's PeepholeLSTM with the weights of a layer."""
    from torchrecurrent import PeepholeLSTM as Peer

    own = layer.state_dict()
    peepholes = torch.cat([own.pop(f"{name}_l0") for name in ("p_i", "p_f", "p_o")])
    peer: nn.Module = Peer(layer.input_size, layer.hidden_size)
    peer.load_state_dict(
        {f"cells.0.{name.removesuffix('_l0')}": value for name, value in own.items()}
        | {"cells.0.weight_ph": peepholes}
    )
    return peer


def onnxruntime_session(layer: Recurrent, steps: int, batch: int, threads: int) -> Any:
    """ONNX Runtime on one LSTM operator with the weights of a layer; input ``x``, output ``y``."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    model = _onnx_lstm(layer, steps, batch)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _onnx_lstm(layer: Recurrent, steps: int, batch: int) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    own = {name: _in_onnx_order(value) for name, value in layer.state_dict().items()}
    biases = np.concatenate([own["bias_ih_l0"], own["bias_hh_l0"]])
    weights = {"w": own["weight_ih_l0"], "r": own["weight_hh_l0"], "b": biases}
    hidden = layer.hidden_size
    shape_in, shape_out = [steps, batch, layer.input_size], [steps, 1, batch, hidden]
    graph = helper.make_graph(
        [helper.make_node("LSTM", ["x", "w", "r", "b"], ["y"], hidden_size=hidden)],
        "lstm",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape_in)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape_out)],
        # each weight has a first axis for directions
        [numpy_helper.from_array(value[None], name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


def _in_onnx_order(weight: Tensor) -> Any:
    """Blocks i, f, g, o as ONNX stacks them: i, o, f, g."""
    i, f, g, o = weight.chunk(4)
    return torch.cat([i, o, f, g]).numpy()
