"""Frames: tables that are in memory, of pandas, polars or Arrow, read like those of files."""

from pathlib import Path
from typing import Any

from engram.data.tables.table import Table
from engram.errors import DataError


def is_frame(given: Any) -> bool:
    """Whether something is a table in memory; anything that Arrow can take over is one."""
    return hasattr(given, "__arrow_c_stream__") and hasattr(given, "columns")


def frame_table(given: Any, name: str) -> Table:
    """A table in memory as a `Table`.

    Args:
        given: A DataFrame of pandas or polars, or a table of Arrow.
        name: What it is called in messages.

    Raises:
        DataError: For columns that Arrow cannot hold, no rows, and two columns of one name.
    """
    import pyarrow

    try:
        table = pyarrow.table(given)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise DataError(f"{name} cannot be read as a table: {said}") from None
    names = [str(column) for column in table.column_names]
    if not table.num_rows:
        raise DataError(f"{name} contains no rows")
    block = dict(zip(names, (column.combine_chunks() for column in table.columns), strict=True))
    return Table(Path(name), names, lambda: iter([block]))
