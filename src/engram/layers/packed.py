"""Packed sequences: torch's layout of variable-length rows, as input and output."""

from collections.abc import Callable

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from engram.layers.arguments import State


def run_packed(
    layer: Callable[..., tuple[Tensor, State]],
    packed: PackedSequence,
    state: State | None,
    *,
    batch_first: bool,
) -> tuple[PackedSequence, State]:
    """Run a layer over a packed sequence, like torch.nn.LSTM."""
    padded, lengths = pad_packed_sequence(packed)
    if batch_first:
        padded = padded.transpose(0, 1)
    output, after = layer(padded, state, lengths=lengths)
    if batch_first:
        output = output.transpose(0, 1)
    if packed.sorted_indices is not None:
        output = output.index_select(1, packed.sorted_indices)
        lengths = lengths.index_select(0, packed.sorted_indices.cpu())
    repacked = pack_padded_sequence(output, lengths)
    return packed._replace(data=repacked.data), after
