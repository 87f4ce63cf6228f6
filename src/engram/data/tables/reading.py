"""Reading tables: one reader for each kind of file, found by its suffix."""

from collections.abc import Callable
from pathlib import Path

from engram.data.tables.csv_files import csv_table
from engram.data.tables.json_files import json_lines_table, json_table
from engram.data.tables.parquet_files import parquet_table
from engram.data.tables.table import Table
from engram.errors import DataError
from engram.files import cannot

Reader = Callable[[Path, str, str], Table]
"""Opens a file, given its encoding and what to do with bytes that are not text in it."""

READERS: dict[str, Reader] = {
    ".csv": csv_table,
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
    return path.suffix.lower() in READERS


def read_table(path: Path, *, encoding: str = "utf-8", errors: str = "strict") -> Table:
    """Open a table; its first block is read, the others when they are asked for.

    CSV cells are separated by commas, semicolons, tabs or bars, whichever its first line holds most
    of, and may be quoted. Its first line is a header if it contains no number; else columns are
    called ``column 1``, … A cell that is empty, or says NA, NaN, null, none or ?, is missing.

    Args:
        path: A file whose suffix is among `READERS`.
        encoding: Of text files. A byte order mark is dropped.
        errors: What to do with bytes that are not text in it: ``strict``, ``replace``, ``ignore``.

    Raises:
        DataError: For a file that cannot be read, is empty or damaged, has rows of differing
            lengths, or two columns of one name; here or when the blocks are read.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        accepted = ", ".join(sorted(READERS))
        raise DataError(f"{path} does not have the extension of a table; accepted: {accepted}")
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty; give a file that contains a table")
        return reader(path, encoding, errors)
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error
