"""Table: rows with named columns, read block by block."""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from engram.data.tables.formats import Formats
from engram.data.text.decoding import LONGEST as LONGEST  # bytes of the longest row
from engram.errors import DataError

BLOCK = 1 << 23  # bytes of a file that are read at once
EVIDENCE = 20_000  # rows by which roles and formats are found
ROWS = 50_000  # of a block, at most

Block = dict[str, Any]
"""Some rows by column: arrow arrays, or lists of Python values; `cells` reads both."""


@dataclass(frozen=True)
class Table:
    """Rows with named columns.

    Attributes:
        path: Of the file.
        columns: Names, in their order.
        blocks: Reads the rows again, block after block.
        line: The line of a text file on which a row begins, both numbered from 0 and 1; None where
            rows have no lines. It reads the file again.
        reading: How its text was understood, as settings; see `TextTableSettings`.
        notes: Choices between two readings, one sentence each.

    Raises:
        DataError: For two columns of one name.
    """

    path: Path
    columns: list[str]
    blocks: Callable[[], Iterator[Block]]
    line: Callable[[int], int] | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        name, count = Counter(self.columns).most_common(1)[0]
        if count > 1:
            raise DataError(f"{self.path} has two columns named '{name}'; rename one")

    @cached_property
    def first(self) -> Block:
        """Its first rows, by which roles and formats are found.

        Raises:
            DataError: For a file that is damaged in them.
        """
        block = next(self.blocks())
        return {name: column[:EVIDENCE] for name, column in block.items()}

    @cached_property
    def formats(self) -> Formats:
        """How numbers and dates in its texts are written."""
        return Formats(self.path, lambda: self.first, self.reading)

    def name(self, row: int) -> str:
        """What an example of this row, numbered from 0, is called."""
        return f"{self.path} row {row + 1}"

    def place(self, row: int) -> str:
        """Where a row stands, numbered from 0, for the message of a fault."""
        return self.name(row) if self.line is None else f"{self.path} line {self.line(row)}"

    def shown(self) -> str:
        """The names of its columns, for a message."""
        return listed(self.columns)


def source_of(path: Path) -> Any:
    """What arrow opens a file by: its path, or what it holds where the name is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return io.BytesIO(path.read_bytes())
    return path


def listed(names: Sequence[str]) -> str:
    """Names for a message, the first twenty of many."""
    more = f", … ({len(names):,} in all)" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more
