"""Packing: weights in the order in which kernels read them."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from engram.engine.cpu.codegen.matrix import AT_ONCE, PARTS, TILE, depth
from engram.engine.cpu.codegen.tile import Tile
from engram.engine.cpu.runtime.buffers import buffer
from engram.engine.cpu.runtime.kernels import Kernels, Words
from engram.engine.cpu.runtime.team import team

# Bytes of weights from which on threads share them.
_BYTES_TO_SPLIT = 64 * 1024


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
