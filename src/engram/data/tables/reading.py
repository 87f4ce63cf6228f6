"""Reading tables: one reader for each kind of file, found by its suffix."""

from collections.abc import Callable
from pathlib import Path

from engram.data.containers import inner_suffix
from engram.data.settings import TextTableSettings
from engram.data.tables.csv_files import csv_table
from engram.data.tables.json_files import json_lines_table, json_table
from engram.data.tables.parquet_files import parquet_table
from engram.data.tables.table import Table
from engram.errors import DataError
from engram.files import cannot

Reader = Callable[[Path, str, str, TextTableSettings], Table]
"""Opens a file, given its encoding, what to do with bytes that are not text, and how it is read."""

_OPEN = TextTableSettings()

READERS: dict[str, Reader] = {
    ".csv": csv_table,
    ".data": csv_table,
    ".tsv": csv_table,
    ".tab": csv_table,
    ".parquet": parquet_table,
    ".pq": parquet_table,
    ".jsonl": json_lines_table,
    ".ndjson": json_lines_table,
    ".json": json_table,
}


def is_table(path: Path) -> bool:
    """Whether a file is a table by its name."""
    return not path.is_dir() and inner_suffix(path) in READERS


def read_table(
    path: Path,
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    given: TextTableSettings = _OPEN,
) -> Table:
    """Open a table; its first block is read, the others when they are asked for.

    How a CSV file is cut is found in its first part (see `find_dialect`); how its numbers and
    dates are written, in its first rows (see `Formats`). A cell that is empty, or says NA, NaN,
    null, none, - or ?, is missing among numbers. Files that are compressed are read as they are.

    Args:
        path: A file whose suffix is among `READERS`, also with one of `containers.SUFFIXES`.
        encoding: Of text files. A byte order mark goes before it, and is dropped.
        errors: What to do with bytes that are not text in it: ``strict``, ``replace``, ``ignore``.
        given: What is known of how it is read.

    Raises:
        DataError: For a file that cannot be read, is empty or damaged, has rows of differing
            lengths, two columns of one name, or values that can be read in two ways; here or when
            the blocks are read.
    """
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty; give a file that contains a table")
        reader = READERS.get(inner_suffix(path))
        if reader is None:
            accepted = ", ".join(sorted(READERS))
            raise DataError(f"{path} does not have the extension of a table; accepted: {accepted}")
        return reader(path, encoding, errors, given)
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error
