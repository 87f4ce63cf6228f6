"""Arrays, texts and steps that move into files when they are large: the same as in memory."""

import gc
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engram.data.arrays import spool
from engram.data.arrays.places import Places, joined
from engram.data.arrays.sequences import Sequences
from engram.data.arrays.spool import Spool, let_go, offsets_of, put_away, taken
from engram.data.labelled.pairs import read_pairs
from engram.data.tables.steps import Steps
from engram.data.text.texts import Texts
from engram.data.text.tokens import fit_tokenizer
from engram.errors import DataError
from engram.tasks.writing import encoded


@pytest.fixture
def _in_files(monkeypatch):
    """Everything above a few bytes lies in a file, and is worked on in short stretches."""
    monkeypatch.setattr(spool, "LARGE", 8)
    monkeypatch.setattr(spool, "_PIECE", 64)
    monkeypatch.setattr(spool, "STRETCH", 5)


def _mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


@pytest.mark.parametrize(("dtype", "shape"), [("float32", (3,)), ("int64", ()), ("uint8", ())])
@pytest.mark.usefixtures("_in_files")
def test_pieces_become_one_array(dtype, shape):
    draw = np.random.default_rng(0)
    parts = [draw.integers(0, 200, (n, *shape)).astype(dtype) for n in (4, 0, 70, 1)]
    made = Spool(dtype, shape)
    for part in parts:
        made.extend(part)
    assert len(made) == 75
    whole = made.finish()
    assert _mapped(whole)
    assert whole.dtype == dtype
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_what_is_small_stays_in_memory():
    made = Spool(np.float32, (2,))
    assert made.finish().shape == (0, 2)
    made.extend(np.ones((3, 2)))
    assert not _mapped(made.finish())


@pytest.mark.parametrize("count", [0, 1, 5, 23])
@pytest.mark.usefixtures("_in_files")
def test_offsets_and_rows_that_are_taken(count):
    sizes = np.random.default_rng(0).integers(0, 9, count)
    np.testing.assert_array_equal(offsets_of(sizes), np.concatenate([[0], np.cumsum(sizes)]))
    rows = np.arange(count)[::-2]
    found = taken(sizes, rows)
    assert _mapped(found) == (len(rows) > 0)
    np.testing.assert_array_equal(found, sizes[rows])


@pytest.mark.usefixtures("_in_files")
def test_what_lies_in_a_file_is_put_away_already():
    array = put_away(np.arange(50))
    assert put_away(array).base is array.base
    assert np.shares_memory(put_away(array[3:]), array)
    np.testing.assert_array_equal(put_away(array[3:]), np.arange(3, 50))


@pytest.mark.usefixtures("_in_files")
def test_pairs_in_files(tmp_path):
    """What is read, chosen and encoded of them lies in files, and is the same."""
    lines = [f"{'ab' * n}\tc{n}" for n in range(1, 40)]
    (tmp_path / "a.tsv").write_text("\n".join(lines))
    pairs = read_pairs([tmp_path / "a.tsv"])
    assert _mapped(pairs.sources.raw)
    assert _mapped(pairs.targets.starts)
    rows = np.arange(1, 39, 3)
    chosen = pairs.sources.take(rows)
    assert chosen.raw is pairs.sources.raw
    assert chosen == [lines[row].split("\t")[0] for row in rows]
    tokens = encoded(fit_tokenizer("characters", chosen, 0), chosen)
    assert _mapped(tokens.values)
    assert _mapped(tokens.offsets)
    assert tokens.lengths.tolist() == [2 * (row + 1) + 1 for row in rows]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at open files of Linux")
@pytest.mark.usefixtures("_in_files")
def test_files_go_with_their_arrays():
    def held():
        with open("/proc/self/maps") as maps:
            return sum("(deleted)" in line and "tmp" in line for line in maps)

    gc.collect()
    files, maps = len(os.listdir("/proc/self/fd")), held()
    texts = Texts.of(["some"] * 1000)
    assert held() == maps + 2  # characters, and where each begins and ends
    del texts
    gc.collect()
    assert (len(os.listdir("/proc/self/fd")), held()) == (files, maps)


@pytest.mark.usefixtures("_in_files")
def test_a_folder_that_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nothing"))
    with pytest.raises(DataError, match=r"cannot write .*nothing"):
        Texts.of(["some"] * 1000)


@given(st.lists(st.text(st.characters(codec=None, exclude_categories=()), max_size=9), max_size=20))
@settings(deadline=None)
def test_texts_come_back(texts):
    made = Texts.of(iter(texts))
    assert made == texts
    assert list(made) == texts
    chosen = np.arange(len(texts))[::-2]
    assert made.take(chosen) == [texts[i] for i in chosen]
    assert made[1:3] == texts[1:3]


def test_texts_differ():
    texts = Texts.of(["a", "b"])
    assert texts != ["a"]
    assert texts != ["a", "c"]
    assert texts != 3
    assert texts[-1] == "b"


@pytest.mark.usefixtures("_in_files")
def test_what_is_let_go_is_still_there():
    made = Spool(np.int64)
    made.extend(np.arange(100_000))
    whole = made.finish()
    whole[7] = -1
    let_go(whole[3:9])
    whole[7] -= 1
    let_go(whole)
    assert whole[[6, 7, 8]].tolist() == [6, -2, 8]
    let_go(np.zeros(3))


@pytest.mark.usefixtures("_in_files")
def test_sequences_in_files_are_the_same():
    arrays = [np.full((n, 2), n, dtype=np.float32) for n in (3, 0, 40, 7)]
    made = Sequences.of(iter(arrays), ["a", "b"])
    assert _mapped(made.values)
    for given_, again in zip(arrays, made, strict=True):
        np.testing.assert_array_equal(given_, again)
    taken = made.take([2, 0])
    assert taken.lengths.tolist() == [40, 3]
    np.testing.assert_array_equal(taken[1], arrays[0])


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.usefixtures("_in_files")
def test_steps_of_any_order(seed, timed, shuffled):
    draw = np.random.default_rng(seed)
    codes = np.sort(draw.integers(0, 9, 100))
    times = np.arange(100.0)
    values = draw.normal(size=(100, 2)).astype(np.float32)
    rows = draw.permutation(100) if shuffled else np.arange(100)
    _, first = np.unique(codes[rows], return_index=True)
    order = codes[rows][np.sort(first)]  # series are numbered as they come
    numbered = np.searchsorted(np.sort(order), codes)
    renumber = np.argsort(order)
    steps = Steps(2, timed=timed)
    for part in np.array_split(rows, 7):
        steps.extend(renumber[numbered[part]], values[part], times[part] if timed else None)
    made, _, found = steps.finish(len(order), ("a", "b"))
    assert found.twice is None
    assert (found.unsorted > 0) == (timed and shuffled)
    for place, code in enumerate(order):
        own = np.flatnonzero(codes == code)
        wanted = own if timed else rows[codes[rows] == code]
        np.testing.assert_array_equal(made[place], values[wanted])


@pytest.mark.parametrize(
    ("times", "irregular"),
    [([1, 2, 3, 4], 0), ([1, 2, 4, 5], 1), ([4, 3, 1, 2], 0), ([0, 31, 59, 90], 0), ([1, 9], 0)],
)
def test_uneven_steps_are_counted(times, irregular):
    steps = Steps(1, timed=True)
    steps.extend(np.zeros(len(times)), np.ones((len(times), 1)), np.array(times, dtype=float))
    assert steps.finish(1, ("a",))[2].irregular == irregular


def test_a_time_that_comes_twice_is_placed():
    steps = Steps(1, timed=True)
    codes, times = np.array([0, 1, 0, 1, 0]), np.array([1.0, 1, 2, 2, 1])
    steps.extend(codes, np.ones((5, 1)), times)
    assert steps.finish(2, ("a",))[2].twice == (4, 0)


def test_places():
    parts = [Places.rows("a.csv row", 2), Places.rows("b.csv row", 3)]
    assert list(joined(parts)) == ["a.csv row 1", "a.csv row 2"] + [
        f"b.csv row {n}" for n in (1, 2, 3)
    ]
    assert list(joined(parts).take(np.array([4, 0]))) == ["b.csv row 3", "a.csv row 1"]
    assert list(joined(parts)[1:3]) == ["a.csv row 2", "b.csv row 1"]
    assert joined([parts[0], ["x"]]) == ["a.csv row 1", "a.csv row 2", "x"]
