"""Passes: a cell forward over a sequence, and backward, on packed rows."""

import ctypes
import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from engram.engine.compiled.implementation import Passes
from engram.engine.compiled.inputs import Gradients, Inputs, Kept
from engram.engine.compiled.operator import implement
from engram.engine.compiled.plan import Plan
from engram.engine.compiled.schedule import Schedule
from engram.engine.cpu.codegen.matrix import ROWS, split_bytes
from engram.engine.cpu.codegen.tile import Tile
from engram.engine.cpu.kernels.forward import ForwardKind
from engram.engine.cpu.runtime.buffers import buffer
from engram.engine.cpu.runtime.kernels import BackwardKind, Call, Kernels, kernels_for
from engram.engine.cpu.runtime.packing import pack
from engram.engine.cpu.runtime.team import team
from engram.engine.cpu.runtime.weight_gradients import WeightProducts, weight_gradients
from engram.engine.sequence import Weights

# Rows of a step on one thread, from which on the kernel makes the products with the input itself:
# with fewer, the weights would be read too often.
_ROWS_FOR_INPUT = 3
# Bytes of weights up to which it does so: more do not stay in a core's cache next to the rest.
_WEIGHTS_FOR_INPUT = 4 * 1024 * 1024
# Rows of a step from which on each thread takes some of them, and not some of the units.
_ROWS_TO_SPLIT = 2
# Rows of a step on one thread, from which on a matrix unit is faster than vectors.
_ROWS_FOR_MATRIX = 10
# Bytes of weights from which on threads may split the units of many rows too.
_WEIGHTS_TO_SPLIT = 1024 * 1024
# Bytes of gates that are made, used and read again before the next are begun.
_PIECE = 4 * 1024 * 1024
# Rows of them at least: each piece reads and writes all sums of the weights' gradients.
_PIECE_ROWS = 1024
# Bytes of what is kept from which on it is written past the caches.
_KEPT_TO_STREAM = 8 * 1024 * 1024


def run_forward(plan: Plan, inputs: Inputs, *, keeping: bool, recording: bool = False) -> Kept:
    """Run a cell over a sequence.

    Args:
        plan: Of the cell.
        inputs: What it starts from.
        keeping: Whether what the backward pass needs is kept.
        recording: Whether what only a recording needs is kept too.
    """
    weights, schedule = inputs.weights, inputs.schedule
    hidden, dtype = inputs.hidden, inputs.x.dtype
    kernels = kernels_for(plan.name, dtype)
    matrix = _on_matrix_unit(kernels, inputs)
    tile = kernels.tiles(matrix=matrix).gates
    threads, by_units = _division(kernels, tile, inputs, large=matrix or not keeping)
    from_input = matrix or _makes_input_products(plan, inputs, threads, by_units, keeping)
    least = 0 if recording else _KEPT_TO_STREAM  # who asks for a recording reads it later
    streaming = keeping and from_input and _streams(kernels, inputs, least)
    kernel = kernels.forward(
        ForwardKind(
            inputs.keep is not None,
            keeping,
            from_input,
            streaming=streaming,
            recording=recording and bool(plan.recorded),
            matrix=matrix,
        )
    )

    blocks = len(plan.gates) * hidden
    stride = plan.blocks(recording) * hidden if keeping else blocks
    gates = buffer((schedule.room, stride), dtype) if keeping or not from_input else None
    numbers = inputs.x.new_empty(plan.rows, schedule.room) if keeping and plan.rows else None
    states, strides = {}, {}
    for state in plan.states:
        every = keeping or state == plan.states[0] or state in plan.recurrent
        strides[state] = int(every)
        states[state] = buffer((schedule.room if every else schedule.batch, hidden), dtype)
    nothing = inputs.x.new_zeros(blocks)
    words = _common_words(inputs, threads, by_units) | {
        "gates": gates if gates is not None else 0,
        "gates_stride": stride,
        "input": inputs.x,
        "input_bias": nothing if weights.input_bias is None else weights.input_bias,
        "recurrent_bias": nothing if weights.recurrent_bias is None else weights.recurrent_bias,
        **_state_words(inputs, states, strides),
        **_row_words(plan, inputs, threads, numbers),
        **_forward_panels(kernels, inputs, tile, from_input),
        **_forward_splits(kernels, inputs, tile, threads, by_units),
    }
    if from_input:
        kernel.run(words | {"first": 0, "last": schedule.steps}, threads)
        return Kept(states, gates, numbers)
    assert gates is not None
    call = Call(kernel, words)
    for first, last, rows in _pieces(schedule, blocks * dtype.itemsize):
        _project(inputs.x[rows], weights, out=gates[rows, :blocks])
        call.run({"first": first, "last": last}, threads)
    return Kept(states, gates if keeping else None, numbers)


def run_backward(
    plan: Plan,
    inputs: Inputs,
    kept: Kept,
    output_gradient: Tensor,
    state_gradients: Mapping[str, Tensor],
    *,
    wants_x: bool,
) -> Gradients:
    """Run the reverse of a cell over a sequence.

    Args:
        plan: Of the cell.
        inputs: What the forward pass started from.
        kept: What it left.
        output_gradient: Of the emitted state at each packed row, ``(N, H)``, contiguous.
        state_gradients: Of the final states, ``(B, H)`` each; their content is overwritten.
        wants_x: Whether the input's gradient is wanted.
    """
    weights, schedule = inputs.weights, inputs.schedule
    hidden, dtype = inputs.hidden, inputs.x.dtype
    kernels = kernels_for(plan.name, dtype)
    blocks = len(plan.gates) * hidden
    matrix = _on_matrix_unit(kernels, inputs)
    tiles = kernels.tiles(matrix=matrix)
    threads, by_units = _division(kernels, tiles.feedback, inputs, large=False)
    to_input = wants_x and _makes_x_gradient(kernels, tiles.input, inputs, threads, by_units)
    kernel = kernels.backward(BackwardKind(inputs.keep is not None, to_input, matrix))

    x_gradient = buffer(tuple(inputs.x.shape), dtype) if wants_x else None
    totals = inputs.x.new_zeros(threads, len(plan.weights), hidden)
    common = _common_words(inputs, threads, by_units)
    words = common | {
        "gates": kept.gates if kept.gates is not None else 0,
        "gates_stride": 0 if kept.gates is None else kept.gates.shape[1],
        **_state_words(inputs, kept.states, dict.fromkeys(plan.states, 1)),
        **_row_words(plan, inputs, threads, kept.rows),
        "output_gradient": output_gradient,
        **{f"carry.{state}": state_gradients[state] for state in plan.states},
        "weight_gradients": totals,
        "x_gradient": x_gradient if x_gradient is not None else 0,
        "to_initial": 1,
    }
    if plan.recurrent:
        words["recurrent_panel"] = pack(kernels, [weights.recurrent.t()], hidden, tiles.feedback)
    if to_input:
        features = inputs.x.shape[1]
        words["input_panel"] = pack(kernels, [weights.input.t()], features, tiles.input)
    if matrix:
        words |= _room_for_splits(
            inputs, threads, by_units, {"input": [blocks], "recurrent": [blocks]}
        )

    products = WeightProducts(kernels, inputs, kept, common, on_matrix_unit=matrix)
    parts = 2 if plan.apart else 1
    pieces = list(_pieces(schedule, parts * blocks * dtype.itemsize))
    longest = max(rows.stop - rows.start for _, _, rows in pieces)
    input_part = buffer((longest, blocks), dtype)
    recurrent_part = buffer((longest, blocks), dtype) if plan.apart else input_part
    call = Call(kernel, words)
    for first, last, rows in reversed(pieces):
        count = rows.stop - rows.start
        # the kernel counts packed rows from the first of all, the buffers from the piece's first
        shift = rows.start * blocks * dtype.itemsize
        places = {
            "input_gradient": input_part.data_ptr() - shift,
            "recurrent_gradient": recurrent_part.data_ptr() - shift,
        }
        call.run(places | {"first": first, "last": last}, threads)
        begins, ends = last == schedule.steps, first == 0
        products.add(first, last, places, begins=begins, ends=ends)
        if x_gradient is not None and not to_input:
            torch.mm(input_part[:count], weights.input, out=x_gradient[rows])
    return Gradients(
        x_gradient, weight_gradients(inputs, plan, products, totals), dict(state_gradients)
    )


def _division(kernels: Kernels, tile: Tile, inputs: Inputs, *, large: bool) -> tuple[int, bool]:
    """How many threads, and whether they split the units instead of the rows.

    They do for few rows; and for large weights, where little else wants to be in a core's cache.
    """
    threads, batch = torch.get_num_threads(), inputs.schedule.batch
    groups = tile.groups(inputs.hidden)
    many_rows = batch >= _ROWS_TO_SPLIT * threads
    large = large and groups >= threads and _weight_bytes(inputs) >= _WEIGHTS_TO_SPLIT
    large = large and not kernels.plan.looks_at_rows
    if many_rows and not large:
        return threads, False
    return max(1, min(threads, groups)), True


def _on_matrix_unit(kernels: Kernels, inputs: Inputs) -> bool:
    """Whether products run on the matrix unit, which takes 16 rows at once or leaves some idle."""
    rows = inputs.schedule.batch // torch.get_num_threads()
    return kernels.has_matrix_unit and rows >= _ROWS_FOR_MATRIX


def _weight_bytes(inputs: Inputs) -> int:
    weights = inputs.weights
    return (weights.input.numel() + weights.recurrent.numel()) * inputs.x.element_size()


def _makes_input_products(
    plan: Plan, inputs: Inputs, threads: int, by_units: bool, keeping: bool
) -> bool:
    """Whether the kernel makes the products with the input itself.

    Where gates are kept, they are written in any case, and large weights are better left to torch.
    """
    size = _weight_bytes(inputs)
    rows = inputs.schedule.batch // (1 if by_units else threads)
    return rows >= _ROWS_FOR_INPUT and (size <= _WEIGHTS_FOR_INPUT or not keeping)


def _streams(kernels: Kernels, inputs: Inputs, least: int) -> bool:
    """Whether gates go past the caches: only whole vectors can, and only x86 is known to gain."""
    plan = kernels.plan
    size = inputs.schedule.rows * inputs.hidden * inputs.x.itemsize
    size *= len(plan.gates) + plan.extras
    whole = inputs.hidden % kernels.width == 0
    return kernels.target.is_x86 and whole and size >= least


def _row_words(
    plan: Plan, inputs: Inputs, threads: int, numbers: Tensor | None
) -> dict[str, Tensor | int]:
    """Room for what a cell needs that looks at all units of a row, and where each number lies."""
    if not plan.looks_at_rows:
        return {}
    hidden, blocks = inputs.hidden, len(plan.gates)
    return {
        "sums": inputs.x.new_empty(inputs.schedule.batch, 2 * blocks * hidden),
        "aside": inputs.x.new_empty(threads, plan.most_aside, hidden),
        **{f"row.{index}": row for index, row in enumerate(() if numbers is None else numbers)},
    }


def _makes_x_gradient(
    kernels: Kernels, tile: Tile, inputs: Inputs, threads: int, by_units: bool
) -> bool:
    """Whether the kernel makes the input's gradient: not where much of its tile would be idle."""
    features = inputs.x.shape[1]
    padded = tile.groups(features) * tile.units * tile.width
    if tile.matrix:
        return 2 * features >= padded
    wide = 4 * features >= 3 * padded
    return wide and _makes_input_products(kernels.plan, inputs, threads, by_units, True)


def _pieces(schedule: Schedule, row_size: int) -> Iterator[tuple[int, int, slice]]:
    """Cut the steps, in running order, into pieces of few bytes: first, last, and their rows."""
    most = max(_PIECE // row_size, _PIECE_ROWS)
    first = 0
    while first < schedule.steps:
        reach = bisect_right(schedule.done, schedule.done[first] + most) - 1
        last = max(reach, first + 1)
        yield first, last, _rows_of(schedule, first, last)
        first = last


def _rows_of(schedule: Schedule, first: int, last: int) -> slice:
    """The packed rows of some steps in running order."""
    ends = first, last - 1
    return slice(min(schedule.starts[i] for i in ends), max(schedule.ends[i] for i in ends))


def _project(x: Tensor, weights: Weights, out: Tensor) -> None:
    """What the input brings to each gate."""
    if weights.input_bias is None:
        torch.mm(x, weights.input.t(), out=out)
    else:
        torch.addmm(weights.input_bias, x, weights.input.t(), out=out)


def _forward_panels(
    kernels: Kernels, inputs: Inputs, tile: Tile, from_input: bool
) -> dict[str, Tensor]:
    plan, weights, hidden = kernels.plan, inputs.weights, inputs.hidden
    recurrent = weights.recurrent.split(hidden, dim=1) if plan.recurrent else ()
    if from_input and plan.recurrent and plan.joined and inputs.keep is None:
        return {"input_panel": pack(kernels, [weights.input, *recurrent], hidden, tile)}
    panels = {}
    if from_input:
        panels["input_panel"] = pack(kernels, [weights.input], hidden, tile)
    if plan.recurrent:
        panels["recurrent_panel"] = pack(kernels, recurrent, hidden, tile)
    return panels


def _forward_splits(
    kernels: Kernels, inputs: Inputs, tile: Tile, threads: int, by_units: bool
) -> dict[str, Tensor | int]:
    """Room for what the gates' weights are multiplied with, on a matrix unit."""
    if not tile.matrix:
        return {}
    features, states = [inputs.x.shape[1]], [inputs.hidden] * len(kernels.plan.recurrent)
    sides = {"input": [*features, *states], "recurrent": states}
    return _room_for_splits(inputs, threads, by_units, sides)


def _room_for_splits(
    inputs: Inputs, threads: int, by_units: bool, sides: Mapping[str, Sequence[int]]
) -> dict[str, Tensor | int]:
    """Space in each thread for the split rows, whose sides have ``sides`` numbers."""
    schedule = inputs.schedule
    rows = schedule.batch if by_units else schedule.most_rows(threads)
    words: dict[str, Tensor | int] = {"split_tiles": -(-rows // ROWS)}
    for side, counts in sides.items():
        size = split_bytes(rows, counts) // inputs.x.itemsize
        words[f"{side}_split"] = buffer((threads * size,), inputs.x.dtype)
    return words


def _common_words(inputs: Inputs, threads: int, by_units: bool) -> dict[str, Tensor | int]:
    schedule, current = inputs.schedule, team()
    return {
        "hidden": inputs.hidden,
        "features": inputs.x.shape[1],
        "parts": 0 if by_units else threads,
        "bounds": schedule.bounds(threads),
        "rows": schedule.batch,
        "now": schedule.now,
        "count": schedule.count,
        "before": schedule.before,
        "count_before": schedule.count_before,
        "keep": inputs.keep if inputs.keep is not None else 0,
        "give_way": GIVE_WAY,
        "thread_number": current.thread_number,
        "thread_count": current.thread_count,
        **{f"weight.{name}": value for name, value in inputs.weights.units.items()},
        **{f"mask.{name}": value for name, value in inputs.weights.masks.items()},
    }


def _state_words(
    inputs: Inputs, states: Mapping[str, Tensor], strides: Mapping[str, int]
) -> dict[str, Tensor | int]:
    words: dict[str, Tensor | int] = {}
    for name, value in states.items():
        words |= {
            f"initial.{name}": inputs.initial[name],
            f"state.{name}": value,
            f"stride.{name}": strides[name],
        }
    return words


def _give_way_address() -> int:
    """The system's function that lets another thread run."""
    library = ctypes.CDLL(None) if os.name == "posix" else ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    function = library.sched_yield if os.name == "posix" else library.SwitchToThread
    return ctypes.cast(function, ctypes.c_void_p).value or 0


GIVE_WAY = _give_way_address()
implement("cpu", Passes(run_forward, run_backward))
