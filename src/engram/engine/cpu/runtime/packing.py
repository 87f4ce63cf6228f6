"""Packing: tensors as the caller has them, and packed rows and weights as the kernels take them."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from engram.engine.compiled.schedule import Schedule
from engram.engine.cpu.codegen.matrix import AT_ONCE, PARTS, TILE, depth
from engram.engine.cpu.codegen.tile import Tile
from engram.engine.cpu.runtime.buffers import buffer
from engram.engine.cpu.runtime.kernels import Kernels, Words
from engram.engine.cpu.runtime.team import team

# Bytes of weights from which on threads share them.
_BYTES_TO_SPLIT = 64 * 1024


def packed(schedule: Schedule, padded: Tensor) -> Tensor:
    """``(T, B, ·)`` as packed rows ``(N, ·)``, contiguous."""
    rows = padded.reshape(schedule.room, padded.shape[2])
    return rows.contiguous() if schedule.places is None else rows[schedule.places]


def unpacked(schedule: Schedule, rows: Tensor) -> Tensor:
    """Packed rows as ``(T, B, ·)``, zero past a row's length."""
    shape = schedule.steps, schedule.batch, rows.shape[1]
    if schedule.places is not None:
        padded = rows.new_zeros(schedule.room, rows.shape[1])
        rows = padded.index_copy_(0, schedule.places, rows[: schedule.rows])
    # autograd takes no view of what an operator made for one of its outputs
    return torch.ops.aten._unsafe_view(rows, shape)


def in_order(schedule: Schedule, state: Tensor) -> Tensor:
    """``(B, ·)`` in the order of the schedule."""
    return state if schedule.order is None else state[schedule.order]


def out_of_order(schedule: Schedule, state: Tensor) -> Tensor:
    """``(B, ·)`` in the order of the batch."""
    if schedule.order is None:
        return state
    return torch.empty_like(state).index_copy_(0, schedule.order, state)


def last_rows(schedule: Schedule, rows: Tensor) -> Tensor:
    """A state after each row's last step, ``(B, H)`` in the order of the batch.

    Args:
        schedule: Which rows ran when.
        rows: The state at all packed rows; or ``(B, H)``, where only the last was kept.
    """
    if rows.shape[0] == schedule.batch and schedule.room != schedule.batch:
        return out_of_order(schedule, rows)
    if schedule.lengths is None or schedule.reverse:
        start = schedule.starts[-1]
        return out_of_order(schedule, rows[start : start + schedule.batch].clone())
    last = schedule.now[schedule.lengths - 1] + torch.arange(schedule.batch)
    return out_of_order(schedule, rows[last])


def pack(kernels: Kernels, matrices: Sequence[Tensor], hidden: int, tile: Tile) -> Tensor:
    """Pack matrices in the order in which a tile reads them, units padded with zeros.

    Args:
        kernels: For the dtype.
        matrices: ``(blocks·H, K)`` each, or the transpose of such a one; they follow one another
            in k, on a matrix unit each from a tile of its own on.
        hidden: H.
        tile: Which reads them.
    """
    sections: list[int] = []
    length = 0
    for matrix in matrices:
        across, along = matrix.stride()
        size = matrix.shape[1]
        sections += [matrix.data_ptr(), size, max(across, along), across == 1, length]
        length += depth(size) if tile.matrix else size
    groups, inside = tile.groups(hidden), tile.vectors * tile.width
    if tile.matrix:
        inside = AT_ONCE * PARTS * TILE // kernels.dtype.itemsize
    packed = buffer((groups * tile.panels * length * inside,), kernels.dtype)
    table = (ctypes.c_int64 * len(sections))(*sections)
    current = team()
    words: Words = {
        "hidden": hidden,
        "parts": 0,
        "thread_number": current.thread_number,
        "thread_count": current.thread_count,
        "blocks": tile.blocks,
        "units": tile.units,
        "vectors": tile.vectors,
        "sections": ctypes.addressof(table),
        "section_count": len(matrices),
        "length": length,
        "panels": packed,
    }
    large = packed.numel() * packed.itemsize >= _BYTES_TO_SPLIT
    kernels.panels(matrix=tile.matrix).run(
        words, min(torch.get_num_threads(), groups) if large else 1
    )
    return packed
