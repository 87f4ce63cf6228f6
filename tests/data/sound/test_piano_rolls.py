"""Piano rolls: what is read of good files, and what is said of bad ones."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from engram.data.sound.piano_rolls import KEYS, read_piano_rolls, transposed
from engram.errors import DataError, EngramError


def _cells(pieces):
    cells = np.empty((1, len(pieces)), dtype=object)
    for place, piece in enumerate(pieces):
        cells[0, place] = piece
    return cells


def _roll(*steps):
    roll = np.zeros((len(steps), KEYS), dtype=np.uint8)
    for number, pitches in enumerate(steps):
        roll[number, [pitch - 21 for pitch in pitches]] = 1
    return roll


STEPS = [[60, 64], [], [21, 108]]


def test_both_kinds_of_files_hold_the_same(tmp_path):
    one, other = tmp_path / "a.mat", tmp_path / "a.json"
    cells = {"traindata": _cells([_roll(*STEPS), _roll([60], [61])]), "testdata": _cells([])}
    savemat(one, cells)
    other.write_text(json.dumps({"train": [STEPS, [[60], [61]]], "test": []}))
    for path in (one, other):
        parts = read_piano_rolls(path)
        assert list(parts) == ["train"]
        assert parts["train"].lengths.tolist() == [3, 2]
        np.testing.assert_array_equal(parts["train"][0], _roll(*STEPS))
        assert parts["train"].columns[0] == "key 21"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not valid JSON"),
        ("[1]", "contains no parts"),
        ('{"train": 3}', "train is not a list of pieces"),
        ('{"train": []}', "no pieces to train on"),
        ('{"train": [[[60], [20]]]}', "train piece 1, step 2, contains 20; a pitch is"),
        ('{"train": [[[60], [60.5]]]}', r"contains 60\.5"),
        ('{"train": [[[60], [true]]]}', "contains True"),
        ('{"train": [[[60], [61]]], "valid": [[60]]}', "valid piece 1 is not a list of steps"),
        ('{"train": [[[60]]]}', "train piece 1 has 1 steps; at least 2"),
    ],
)
def test_faults_of_json(tmp_path, content, said):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(DataError, match=said):
        read_piano_rolls(path)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({}, "no pieces to train on"),
        ({"traindata": np.zeros((3, 88))}, "is not a cell array"),
        ({"traindata": _cells([np.zeros((3, 87)), 0])}, r"train piece 1 has shape \(3, 87\)"),
        ({"traindata": _cells([2 * _roll(*STEPS), 0])}, "piece 1 contains values other"),
    ],
)
def test_faults_of_mat(tmp_path, cells, said):
    path = tmp_path / "a.mat"
    savemat(path, cells)
    with pytest.raises(DataError, match=said):
        read_piano_rolls(path)


def test_paths_that_are_no_rolls(tmp_path):
    with pytest.raises(DataError, match=r"give a \.mat or a \.json"):
        read_piano_rolls(tmp_path / "a.mid")
    for name in ("a.mat", "a.json"):
        with pytest.raises(DataError, match="cannot read"):
            read_piano_rolls(tmp_path / name)


@pytest.mark.parametrize("suffix", [".mat", ".json"])
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_files_are_refused_or_read(tmp_path, suffix, data):
    path = tmp_path / f"a{suffix}"
    if suffix == ".mat":
        savemat(path, {"traindata": _cells([_roll(*STEPS), _roll([60], [61])])})
    else:
        path.write_text(json.dumps({"train": [STEPS]}))
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, min(len(whole), start + 12)))
    path.write_bytes(whole[:start] + data.draw(st.binary(max_size=12)) + whole[stop:])
    try:
        assert len(read_piano_rolls(path)["train"]) > 0
    except EngramError:
        return


def test_transposed_pieces_keep_every_note():
    roll = _roll([22, 60], [107])
    ways = {
        tuple(np.flatnonzero(transposed(roll, 5, np.random.default_rng(seed))[0]))
        for seed in range(50)
    }
    assert ways == {(0, 38), (1, 39), (2, 40)}
    silent = np.zeros((3, KEYS))
    assert transposed(silent, 5, np.random.default_rng(0)) is silent
