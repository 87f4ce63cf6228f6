"""MATLAB files: what scipy reads of whole ones, and an error for every damaged one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from engram.data.arrays.mat_files import read_mat
from engram.errors import DataError


def _cells(arrays, shape=None):
    cells = np.empty(len(arrays), dtype=object)
    for place, array in enumerate(arrays):
        cells[place] = array
    return cells.reshape(shape or (1, -1), order="F")


VARIABLES = {
    "numbers": np.arange(24.0).reshape(2, 3, 4),
    "small": np.array([[3]], dtype=np.uint8),
    "whole": np.array([[-3, 70_000]], dtype=np.int32),
    "a_name_of_more_letters_than_four": np.float32([[0.5], [1.5]]),
    "none": np.zeros((0, 5)),
    "cells": _cells([np.eye(3, 88), np.ones((2, 88), dtype=np.uint8), np.zeros((0, 0))]),
    "grid": _cells([np.full((1, n), n) for n in range(6)], (2, 3)),
    "within": _cells([_cells([np.eye(2)])]),
}


def _same(one, other):
    assert one.shape == other.shape
    if one.dtype == object:
        for left, right in zip(one.reshape(-1), other.reshape(-1), strict=True):
            _same(left, right)
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("packed", [False, True])
def test_what_scipy_reads(tmp_path, packed):
    path = tmp_path / "a.mat"
    savemat(path, VARIABLES, do_compression=packed)
    found, wanted = read_mat(path), loadmat(path)
    assert set(found) == set(VARIABLES)
    for name in VARIABLES:
        _same(found[name], wanted[name])


def test_kinds_that_are_not_read_are_left_out(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"text": "abc", "x": np.eye(2), "z": np.array([[1j]]), "s": {"a": 1}})
    assert set(read_mat(path)) == {"x"}


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
@hypothesis_settings(deadline=None, derandomize=True, max_examples=400)
@given(at=st.integers(0, 2000), gone=st.integers(0, 12), put=st.binary(max_size=12))
def test_damaged_files_are_read_or_refused(tmp_path_factory, packed, at, gone, put):
    path = tmp_path_factory.getbasetemp() / "damaged.mat"
    savemat(path, VARIABLES, do_compression=packed)
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + put + whole[at + gone :])
    try:
        read_mat(path)
    except DataError as fault:
        said = str(fault)
        assert said.startswith(f"{path} is not a valid MATLAB file: ")


@pytest.mark.parametrize(
    ("at", "put", "said"),
    [
        (126, b"XX", "its header is not that of a MATLAB file"),
        (132, b"\xff\xff\xff\x7f", "an element claims 2,147,483,647 bytes"),
        (140, b"\xff\xff\xff\x3a", "an element claims 989,855,743 bytes"),
        (128, b"\x01", "an element of kind 1, instead of a variable"),
        (160, b"\xff\xff\xff\xff", r"an array has the shape \(-1, 3\)"),
        (160, b"\x04", r"an array of the shape \(4, 3\) holds 48 bytes"),
    ],
)
def test_faults(tmp_path, at, put, said):
    path = tmp_path / "a.mat"
    savemat(path, {"x": np.ones((2, 3))})
    raw = path.read_bytes()
    path.write_bytes(raw[:at] + put + raw[at + len(put) :])
    with pytest.raises(DataError, match=said):
        read_mat(path)
