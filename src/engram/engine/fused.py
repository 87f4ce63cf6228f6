"""The torch engine: torch's own fused layer, for cells whose equations it has.

Lengths run as packed sequences. A reset splits the sequence: each stretch without a reset is one
fused call, so that few resets cost little. Gates stay inside the fused layer and cannot be seen.
Under autocast on a processor without instructions for its dtype, where torch's LSTM raises, the
layer computes in the dtype of its weights.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from engram.cells.base import Cell
from engram.engine.engine import Made, Request
from engram.engine.sequence import Result, State, Weights, resets_in_running_order

_CALLS = {
    "lstm": torch.lstm,
    "gru": torch.gru,
    "rnn_tanh": torch.rnn_tanh,
    "rnn_relu": torch.rnn_relu,
}


def run(
    cell: Cell,
    x: Tensor,
    weights: Weights,
    state: State,
    *,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    reverse: bool = False,
    record: bool = False,
) -> Result:
    """Run a cell over a sequence; arguments and result as in `reference.run`, without gates."""
    assert not record, "gates stay inside; see `TorchEngine.obstacle`"
    clear = resets_in_running_order(reset, lengths, reverse)
    if reverse:
        x = _reversed(x, lengths)
        clear = None if clear is None else _reversed(clear, lengths)
    before = tuple(state[name] for name in cell.states)
    if _fails_under_autocast(cell, x):  # the weights' dtype, as autocast would bring all to its own
        x, before = x.to(weights.input), tuple(s.to(weights.input) for s in before)
        without: AbstractContextManager[object] = torch.autocast("cpu", enabled=False)
    else:
        without = nullcontext()
    with without:
        if clear is None or not bool(clear.any()):
            output, after = _call(cell, x, weights, before, lengths)
        else:
            output, after = _call_in_stretches(cell, x, weights, before, lengths, clear)
    if reverse:
        output = _reversed(output, lengths)
    return Result(output, dict(zip(cell.states, after, strict=True)))


def _fails_under_autocast(cell: Cell, x: Tensor) -> bool:
    """Whether autocast is on, and torch's layer has no code for its dtype on this processor."""
    if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return False
    return not _runs_under_autocast(str(cell.torch_layer), torch.get_autocast_dtype("cpu"))


@cache
def _runs_under_autocast(layer: str, dtype: torch.dtype) -> bool:
    """Whether torch's fused layer runs under autocast to a dtype on this processor."""
    gates = {"lstm": 4, "gru": 3}.get(layer, 1)
    x, state = torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)
    flat = [torch.zeros(gates, 1), torch.zeros(gates, 1)]
    hx = [state, state] if layer == "lstm" else state
    try:
        with torch.autocast("cpu", dtype=dtype), torch.no_grad():
            _CALLS[layer](x, hx, flat, False, 1, 0.0, False, False, False)  # type: ignore[operator]
    except RuntimeError:
        return False
    return True


def _call(
    cell: Cell, x: Tensor, weights: Weights, before: tuple[Tensor, ...], lengths: Tensor | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One call of the fused layer; states are ``(B, H)`` here and ``(1, B, H)`` in torch."""
    call = _CALLS[str(cell.torch_layer)]
    flat = [weights.input, weights.recurrent]
    has_bias = weights.input_bias is not None
    if weights.input_bias is not None and weights.recurrent_bias is not None:
        flat += [weights.input_bias, weights.recurrent_bias]
    initial = tuple(s.unsqueeze(0) for s in before)
    # cuDNN keeps what its backward pass needs only in training; elsewhere that is for dropout alone
    train = x.device.type == "cuda" and torch.is_grad_enabled()
    options = (has_bias, 1, 0.0, train, False)  # biases, layers, dropout, train, bidirectional
    if lengths is None:
        hx = initial if len(initial) > 1 else initial[0]
        output, *after = call(x, hx, flat, *options, False)  # type: ignore[operator]
    else:
        packed = pack_padded_sequence(x, lengths.cpu(), enforce_sorted=False)
        assert packed.sorted_indices is not None
        assert packed.unsorted_indices is not None
        initial = tuple(s.index_select(1, packed.sorted_indices) for s in initial)
        hx = initial if len(initial) > 1 else initial[0]
        data, *after = call(packed.data, packed.batch_sizes, hx, flat, *options)  # type: ignore[operator]
        output, _ = pad_packed_sequence(packed._replace(data=data), total_length=x.shape[0])
        after = [s.index_select(1, packed.unsorted_indices) for s in after]
    return output, tuple(s.squeeze(0) for s in after)


def _call_in_stretches(
    cell: Cell,
    x: Tensor,
    weights: Weights,
    before: tuple[Tensor, ...],
    lengths: Tensor | None,
    clear: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Call the fused layer once for each stretch of steps between resets of any row."""
    steps = x.shape[0]
    starts = sorted({0, *clear.any(dim=1).nonzero().flatten().tolist()})
    outputs = []
    current = before
    for start, stop in zip(starts, [*starts[1:], steps], strict=True):
        marked = clear[start].unsqueeze(1)
        cleared = tuple(s.masked_fill(marked, 0.0) for s in current)
        if lengths is None:
            output, current = _call(cell, x[start:stop], weights, cleared, None)
        else:
            rows = (lengths > start).nonzero().flatten()
            begun = tuple(s.index_select(0, rows) for s in cleared)
            part = (lengths.index_select(0, rows) - start).clamp(max=stop - start)
            piece = x[start:stop].index_select(1, rows)
            partial, after = _call(cell, piece, weights, begun, part)
            output = partial.new_zeros(stop - start, x.shape[1], partial.shape[2])
            output = output.index_copy(1, rows, partial)
            current = tuple(s.index_copy(0, rows, a) for s, a in zip(current, after, strict=True))
        outputs.append(output)
    return torch.cat(outputs), current


def _reversed(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Turn each row around within its length; steps past the length stay where they are."""
    if lengths is None:
        return x.flip(0)
    steps = torch.arange(x.shape[0], device=x.device).unsqueeze(1)
    source = torch.where(steps < lengths, lengths - 1 - steps, steps)
    while source.dim() < x.dim():
        source = source.unsqueeze(-1)
    return x.gather(0, source.expand_as(x))


class TorchEngine:
    """torch's own fused layers; see `Engine`."""

    name = "torch"
    reason = "torch has a fused layer for {cell}"
    run = staticmethod(run)

    def obstacle(self, cell: Cell, request: Request) -> str | None:
        """Why torch's fused layer cannot run this; None where it can."""
        if cell.torch_layer is None:
            return f"torch has no fused layer with the equations of {type(cell).__name__}"
        return "torch's fused layer hides its gates" if request.record else None

    def compiled(self, cell: Cell, dtype: torch.dtype) -> tuple[Made, ...]:
        """Nothing is made for a cell."""
        return ()
