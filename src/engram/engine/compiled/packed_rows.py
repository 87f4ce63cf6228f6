"""Packed rows: tensors as the caller has them, and as kernels take them.

The rows of a step follow one another, step after step; see `schedule`.
"""

import torch
from torch import Tensor

from engram.engine import torch_internals as internals
from engram.engine.compiled.schedule import Schedule


def packed(schedule: Schedule, padded: Tensor) -> Tensor:
    """``(T, B, ·)`` as packed rows ``(N, ·)``, contiguous, with their sign in memory."""
    rows = padded.reshape(schedule.room, padded.shape[2])
    if schedule.places is not None:
        return rows[schedule.places].resolve_neg()
    return rows.contiguous().resolve_neg()


def unpacked(schedule: Schedule, rows: Tensor) -> Tensor:
    """Packed rows as ``(T, B, ·)``, zero past a row's length."""
    shape = schedule.steps, schedule.batch, rows.shape[1]
    if schedule.places is not None:
        padded = rows.new_zeros(schedule.room, rows.shape[1])
        rows = padded.index_copy_(0, schedule.places, rows[: schedule.rows])
    # autograd takes no view of what an operator made for one of its outputs
    view: Tensor = internals.unsafe_view(rows, shape)
    return view


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
