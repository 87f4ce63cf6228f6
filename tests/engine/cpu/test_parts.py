"""The parts that kernels are made of: tiles, packed weights, schedules, buffers, plans."""

import itertools
import sys
from dataclasses import replace
from functools import cache

import pytest
import torch

from engram.engine.compiled.plan import plan
from engram.engine.compiled.schedule import full_schedule, ragged_schedule
from engram.engine.cpu.codegen.target import host
from engram.engine.cpu.codegen.tile import best_tile
from engram.engine.cpu.runtime import buffers
from engram.engine.cpu.runtime.buffers import buffer, release_buffers
from engram.engine.cpu.runtime.kernels import Kernels
from engram.engine.cpu.runtime.packing import pack
from helpers.cells_of_every_kind import OF_EVERY_KIND


@pytest.mark.parametrize("registers", [16, 32])
@pytest.mark.parametrize("blocks", range(1, 9))
def test_a_tile_fits_the_registers(blocks, registers):
    tile = best_tile(blocks, 16, registers)
    assert tile.rows * tile.vectors + tile.vectors + 1 <= registers
    assert tile.panels * tile.vectors == blocks * tile.units
    for rows in range(1, tile.rows + 1):
        at_once = tile.panels_at_once(rows)
        assert tile.panels % at_once == 0
        assert at_once == 1 or rows * tile.vectors * at_once <= tile.sums


@cache
def _kernels(bits: int, dtype: torch.dtype) -> Kernels:
    return Kernels(plan(OF_EVERY_KIND["lstm"]), dtype, replace(host(), vector_bits=bits))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("length", [1, 3, 8, 17])
@pytest.mark.parametrize("hidden", [1, 16, 63])
@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5])
def test_weights_are_packed_in_reading_order(blocks, hidden, length, turned):
    dtype = torch.float64 if blocks == 2 else torch.float32
    tile = best_tile(blocks, 128 // (64 if blocks == 2 else 32), 32)
    matrix = torch.randn(blocks * hidden, length, dtype=dtype)
    given = matrix.t().contiguous().t() if turned else matrix
    packed = iter(pack(_kernels(128, dtype), [given], hidden, tile).tolist())
    for group, panel, k in itertools.product(
        range(tile.groups(hidden)), range(tile.panels), range(length)
    ):
        for vector, lane in itertools.product(range(tile.vectors), range(tile.width)):
            line = panel * tile.vectors + vector
            unit = (group * tile.units + line // blocks) * tile.width + lane
            exists = unit < hidden
            expected = matrix[line % blocks * hidden + unit, k] if exists else torch.tensor(0.0)
            assert next(packed) == expected.item()
    assert next(packed, None) is None


def test_two_matrices_are_packed_one_behind_the_other():
    kernels = _kernels(128, torch.float32)
    for blocks, registers in itertools.product(range(1, 7), (16, 32)):
        tile = best_tile(blocks, 4, registers)
        one, other = torch.randn(blocks * 13, 3), torch.randn(5, 13 * blocks).t()
        both = torch.cat([one, other], dim=1)
        assert torch.equal(pack(kernels, [one, other], 13, tile), pack(kernels, [both], 13, tile))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [[4, 4, 4], [2, 4, 1], [1, 1, 1], [3]])
def test_a_schedule_runs_every_row_once_in_order(lengths, reverse):
    steps = 4
    schedule = ragged_schedule(torch.tensor(lengths), steps, reverse)
    assert schedule.rows == sum(lengths)
    order = schedule.order.tolist()
    assert [lengths[row] for row in order] == sorted(lengths, reverse=True)
    places = schedule.places.tolist()
    seen = {row: [] for row in range(len(lengths))}
    for now, count in zip(schedule.now.tolist(), schedule.count.tolist(), strict=True):
        for position in range(count):
            step, row = divmod(places[now + position], len(lengths))
            assert row == order[position]
            seen[row].append(step)
    for row, length in enumerate(lengths):
        expected = list(range(length))
        assert seen[row] == (expected[::-1] if reverse else expected)
    parts = schedule.bounds(2).tolist()
    assert parts == sorted(parts)
    assert (parts[0], parts[-1]) == (0, len(lengths))
    assert schedule.most_rows(2) == max(parts[1], parts[2] - parts[1])


def test_equal_lengths_need_no_order():
    schedule = full_schedule(3, 2, True)
    assert schedule.places is None
    assert schedule.starts == (4, 2, 0)
    assert [schedule.most_rows(parts) for parts in (1, 2, 3)] == [2, 1, 1]
    assert schedule.count_before.tolist() == [0, 2, 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_buffers_come_back_and_are_never_shared(dtype):
    first, second = buffer((300, 200), dtype), buffer((300, 200), dtype)
    addresses = {first.data_ptr(), second.data_ptr()}
    assert len(addresses) == 2
    first.fill_(1.0)
    second.fill_(2.0)
    assert bool((first == 1.0).all())
    view = first[3:5]
    del first, second
    fresh = buffer((300, 200), dtype)
    assert fresh.data_ptr() in addresses
    fresh.fill_(3.0)
    assert bool((view == 1.0).all())
    assert fresh.shape == (300, 200)
    assert fresh.is_contiguous()


def test_no_python_code_runs_while_a_buffer_is_given_back():
    """Ctrl-C there would be printed and forgotten."""
    tensor = buffer((300, 200), torch.float32)
    address, called = tensor.data_ptr(), []
    sys.setprofile(lambda frame, event, _: called.append(frame.f_code) if event == "call" else None)
    del tensor
    sys.setprofile(None)
    assert called == []
    assert buffer((300, 200), torch.float32).data_ptr() == address


def test_what_waits_is_released():
    release_buffers()
    alive, gone = buffer((300, 200), torch.float32).fill_(1.0), buffer((400, 200), torch.float32)
    size = gone.nbytes
    del gone
    assert size <= release_buffers() <= size * 9 / 8 + 64 * 1024
    assert release_buffers() == 0
    assert bool((alive == 1.0).all())


def test_no_more_is_kept_than_the_limit(monkeypatch):
    release_buffers()
    monkeypatch.setattr(buffers, "_MOST_KEPT", 1 << 20)
    old = [buffer((300, 200), torch.float32) for _ in range(3)]
    del old
    new = [buffer((500, 200), torch.float32) for _ in range(4)]  # the old ones make room
    del new
    assert 2 * 400_000 <= release_buffers() <= 1 << 20


@pytest.mark.parametrize(
    ("name", "gates", "extras", "rows", "joined", "apart"),
    [
        ("lstm", 4, 0, 0, True, False),
        ("gru", 3, 1, 0, False, True),
        ("elman", 0, 0, 0, True, False),
        ("NoFeedback", 1, 0, 0, False, True),
    ],
)
def test_where_values_are_kept(name, gates, extras, rows, joined, apart):
    drawn = plan(OF_EVERY_KIND[name])
    kinds = [place.kind for place in drawn.kept.values()]
    assert (kinds.count("gate"), drawn.extras, drawn.rows) == (gates, extras, rows)
    assert (drawn.joined, drawn.apart) == (joined, apart)


@pytest.mark.parametrize("name", OF_EVERY_KIND)
def test_no_two_values_share_a_place(name):
    drawn = plan(OF_EVERY_KIND[name])
    places = list(drawn.kept.values())
    assert len(set(places)) == len(places)
    assert set(drawn.seen) <= set(drawn.kept)
    for node, place in drawn.kept.items():
        if place.kind == "state":
            assert drawn.after[place.index] == node


def test_equal_cells_have_one_name_and_others_another():
    names = [plan(cell).name for cell in OF_EVERY_KIND.values()]
    assert len(set(names)) == len(names)
    assert plan(OF_EVERY_KIND["lstm"]).name == plan(type(OF_EVERY_KIND["lstm"])()).name
