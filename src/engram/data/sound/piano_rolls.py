"""Piano rolls: which of 88 keys sound at each step of a piece."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from engram.data.arrays.mat_files import read_mat
from engram.data.arrays.sequences import Sequences
from engram.errors import DataError
from engram.files import cannot

KEYS = 88
LOWEST = 21  # the MIDI pitch of the first key, A0
PARTS = ("train", "valid", "test")
COLUMNS = tuple(f"key {LOWEST + key}" for key in range(KEYS))


def read_piano_rolls(path: Path) -> dict[str, Sequences]:
    """Read the pieces of each part, ``(T, 88)`` of 0 and 1 each.

    Args:
        path: A ``.mat`` file with cell arrays ``traindata``, ``validdata`` and ``testdata`` of
            matrices (steps × 88), or a ``.json`` file with lists ``train``, ``valid`` and ``test``
            of pieces, each a list of steps, each the list of MIDI pitches (21 to 108) that sound.

    Returns:
        Pieces by part; ``valid`` and ``test`` may be missing.

    Raises:
        DataError: For a file that cannot be read or departs from this; the text names the piece.
    """
    readers = {".mat": _mat, ".json": _json}
    if path.suffix.lower() not in readers:
        raise DataError(
            f"{path} does not have the extension of a piano roll; give a .mat or a .json file"
        )
    try:
        found = readers[path.suffix.lower()](path)
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error
    if not found.get("train"):
        raise DataError(f"{path} contains no pieces to train on (traindata, or train); add some")
    return {part: Sequences.of(pieces, COLUMNS) for part, pieces in found.items() if pieces}


def _mat(path: Path) -> dict[str, list[np.ndarray]]:
    content = read_mat(path)
    parts = {}
    for part in PARTS:
        cells = content.get(f"{part}data")
        if cells is None:
            continue
        if getattr(cells, "dtype", np.dtype(float)).kind != "O":
            raise DataError(
                f"{path}: {part}data is not a cell array; give one with one piece per cell"
            )
        pieces = list(cells.reshape(-1))
        parts[part] = [_checked(p, f"{path}, {part} piece {n}") for n, p in enumerate(pieces, 1)]
    return parts


def _json(path: Path) -> dict[str, list[np.ndarray]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {str(error)[:120]}; fix it") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} contains no parts; write {{'train': [piece, …], 'valid': …}}")
    parts = {}
    for part in PARTS:
        pieces = content.get(part, [])
        if not isinstance(pieces, list):
            raise DataError(f"{path}: {part} is not a list of pieces; write one")
        parts[part] = [_roll(p, f"{path}, {part} piece {n}") for n, p in enumerate(pieces, 1)]
    return parts


def _roll(piece: Any, where: str) -> np.ndarray:
    """A piece of lists of pitches as a matrix."""
    if not isinstance(piece, list) or not all(isinstance(step, list) for step in piece):
        raise DataError(f"{where} is not a list of steps, each a list of pitches; fix it")
    roll = np.zeros((len(piece), KEYS), dtype=np.float32)
    for number, step in enumerate(piece):
        for pitch in step:
            if type(pitch) is not int or not LOWEST <= pitch < LOWEST + KEYS:
                raise DataError(
                    f"{where}, step {number + 1}, contains {pitch!r}; a pitch is a whole number "
                    "from "
                    f"{LOWEST} to {LOWEST + KEYS - 1}"
                )
            roll[number, pitch - LOWEST] = 1.0
    return _checked(roll, where)


def _checked(roll: Any, where: str) -> np.ndarray:
    shape = getattr(roll, "shape", None)
    if shape is None or len(shape) != 2 or shape[1] != KEYS or roll.dtype.kind not in "biuf":
        raise DataError(f"{where} has shape {shape}; it must be (steps, {KEYS}) of 0 and 1")
    if not np.isin(roll, (0, 1)).all():
        raise DataError(
            f"{where} contains values other than 0 and 1; write 1 for each key that sounds"
        )
    if shape[0] < 2:
        raise DataError(f"{where} has {shape[0]} steps; at least 2 are needed, leave it out")
    return roll.astype(np.float32)


def transposed(roll: np.ndarray, most: int, draw: np.random.Generator) -> np.ndarray:
    """A piece moved by as many keys, up to a number in each direction, as keep all of it.

    Args:
        roll: ``(T, 88)``.
        most: Keys up or down.
        draw: Where chance comes from.
    """
    sounding = np.flatnonzero(roll.any(0))
    if len(sounding) == 0:
        return roll
    low, high = -min(most, int(sounding[0])), min(most, KEYS - 1 - int(sounding[-1]))
    return np.roll(roll, int(draw.integers(low, high + 1)), axis=1)
