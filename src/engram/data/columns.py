"""Reading series from text: the columns of numbers in a CSV file."""

import csv
import math
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engram.errors import DataError
from engram.files import cannot

_MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}


@dataclass(frozen=True)
class Columns:
    """A table's columns of numbers.

    Attributes:
        names: Of the columns, from the header, or ``column 1``, … where there is none.
        values: ``(T, F)`` float32, a row of the table a step; NaN where a value is missing.
        skipped: Names of the columns that hold other things than numbers, and were left out.
    """

    names: list[str]
    values: Tensor
    skipped: list[str]


def read_columns(path: str | os.PathLike[str]) -> Columns:
    """Read the columns of numbers of a CSV file.

    Cells are separated by commas, semicolons or tabs, whichever the first line holds most of. The
    first line is a header where it holds no number. A cell that is empty, or says NA, NaN, null,
    none or ?, is missing.

    Raises:
        DataError: For a file that cannot be read, rows of other lengths than the first (with the
            line), or no column of numbers.
    """
    file = Path(path)
    try:
        with open(file, encoding="utf-8-sig", newline="") as lines:
            first = lines.readline()
            lines.seek(0)
            separator = max(",;\t", key=first.count)
            reader = csv.reader(lines, delimiter=separator)
            rows = [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        raise DataError(cannot("read", file, error)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} is no CSV text in UTF-8: {error}; save it as that") from None
    width = len(rows[0][1]) if rows else 0
    if width > 1:  # a line of blanks alone is no row; one of separators alone has all missing
        rows = [(line, row) for line, row in rows if len(row) > 1 or row[0].strip()]
    if not any(cell.strip() for _, row in rows for cell in row):
        raise DataError(f"{file} is empty; name a file that holds a table")
    for line, row in rows:
        if len(row) != width:
            raise DataError(
                f"{file} has {len(row)} cells in line {line}, and {width} in its first; mend it"
            )
    names = [f"column {number + 1}" for number in range(width)]
    if all(_number(cell) is None for cell in rows[0][1]):
        names = [cell.strip() for cell in rows.pop(0)[1]]
    columns, kept, skipped = [], [], []
    for index, name in enumerate(names):
        cells = [_number(row[index]) for _, row in rows]
        known = [value for value in cells if value is not None]
        if len(known) == len(cells) and any(not math.isnan(value) for value in known):
            columns.append(known)
            kept.append(name)
        else:
            skipped.append(name)
    if not columns:
        raise DataError(
            f"{file} has no column of numbers among {', '.join(names)}; name a table that has one"
        )
    return Columns(kept, torch.tensor(columns, dtype=torch.float32).T.contiguous(), skipped)


def _number(cell: str) -> float | None:
    """The number of a cell, NaN where it is missing, None where it is something else."""
    text = cell.strip()
    if text.lower() in _MISSING:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
