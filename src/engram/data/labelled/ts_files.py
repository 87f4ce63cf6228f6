"""Files in the ``.ts`` format of sktime and aeon: labelled series, one a line.

The header names what the lines hold (``@univariate``, ``@classLabel true a b``, …); after ``@data``
each line is one series: its dimensions and then its target, separated by colons, each dimension
a list of numbers separated by commas, with ``?`` for what is missing.
"""

import re
from array import array
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from engram.data.arrays.places import Places
from engram.data.arrays.sequences import Sequences
from engram.data.labelled.examples import Examples
from engram.data.tables.cells import number
from engram.data.text.decoding import numbered_lines, opened
from engram.errors import DataError


def read_ts(path: Path, *, numbers: bool, answered: bool = True) -> Examples:
    """Read a ``.ts`` file.

    Args:
        path: The file.
        numbers: Whether targets are numbers (``@targetLabel``), not labels.
        answered: Whether there have to be targets.

    Raises:
        DataError: For a file that cannot be read, or departs from the format; the text names the
            line.
    """
    facts: dict[str, str] = {}
    targets: list[str] = []
    places = array("q")

    def series() -> Iterator[np.ndarray]:
        dimensions = 0
        for place, line in _data_lines(path, facts):
            found, target = _series(line, facts, f"{path} line {place}")
            dimensions = dimensions or found.shape[1]
            if found.shape[1] != dimensions:
                raise DataError(
                    f"{path} line {place} has {found.shape[1]} dimensions, but the first series "
                    f"has {dimensions}; give the same number for each"
                )
            places.append(place)
            targets.extend([] if target is None else [target])
            yield found

    first = next(found := series(), None)
    if first is None:
        raise DataError(f"{path} contains no series after @data; give a file that does")
    columns = [f"dimension {place + 1}" for place in range(first.shape[1])]
    inputs = Sequences.of(chain([first], found), columns)
    if not targets and answered:
        raise DataError(f"{path} has no @classLabel or @targetLabel; give a file with targets")
    names = Places([f"{path} line"], np.zeros(len(inputs), dtype=np.int32), np.array(places))
    if not (targets and numbers and answered):
        return Examples(inputs, targets or None, names)
    values = [number(target) for target in targets]
    bad = next((i for i, v in enumerate(values) if v is None or not np.isfinite(v)), None)
    if bad is not None:
        raise DataError(f"{names[bad]}: the target is '{targets[bad]}'; write a number")
    return Examples(inputs, np.array(values, dtype=np.float64), names)


def _data_lines(path: Path, facts: dict[str, str]) -> Iterator[tuple[int, str]]:
    """The lines after ``@data``, with their numbers; the header before goes into the facts."""
    with opened(path, "utf-8") as lines:
        for place, raw in numbered_lines(path, lines):
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            if "data" in facts:
                yield place, line
            elif line.startswith("@"):
                word, *rest = line[1:].split(maxsplit=1) or [""]
                facts[word.lower()] = " ".join(rest)
            else:
                raise DataError(f"{path} line {place} is before @data but is not a header; fix it")


def _series(line: str, facts: dict[str, str], where: str) -> tuple[np.ndarray, str | None]:
    """The values ``(T, F)`` of a line, and its target."""
    if facts.get("timestamps", "false").lower() == "true" or "(" in line:
        raise DataError(
            f"{where} contains time stamps, which are not supported; write plain values at "
            "regular times"
        )
    parts = line.split(":")
    asked = [facts.get(word, "false").split() for word in ("classlabel", "targetlabel")]
    has_target = any(words and words[0].lower() == "true" for words in asked)
    target = parts.pop().strip() if has_target else None
    if target == "" or target == "?":
        raise DataError(f"{where} has no target; leave the series out")
    declared = facts.get("classlabel", "").split()[1:]
    if target is not None and declared and target not in declared:
        raise DataError(
            f"{where} has the class '{target[:40]}', but @classLabel declares "
            f"{', '.join(declared[:20])}; fix one of them"
        )
    rows = []
    for dimension, part in enumerate(parts, start=1):
        values = (
            [number(cell) for cell in re.split(r"[,\s]+", part.strip())] if part.strip() else []
        )
        if None in values:
            cell = re.split(r"[,\s]+", part.strip())[values.index(None)]
            raise DataError(f"{where}, dimension {dimension}, holds {cell[:40]!r}; write a number")
        rows.append(np.array(values, dtype=np.float32))
    if not rows or len({len(row) for row in rows}) > 1:
        sizes = ", ".join(str(len(row)) for row in rows[:4])
        raise DataError(
            f"{where} has dimensions of {sizes or 'no'} steps; give all dimensions of a series "
            "the same number"
        )
    return np.stack(rows, axis=1), target
