"""A table as one series: each row a step, each column of numbers a feature."""

import numpy as np

from engram.data.arrays.spool import Spool
from engram.data.tables.checked import matrix_in, numbered
from engram.data.tables.table import Table
from engram.errors import DataError


def series_of(table: Table) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
    """The columns of numbers of a table.

    A column is one of numbers where most cells of its first block are; then all have to be.

    Returns:
        Their names, their values ``(T, F)`` float32 with NaN where one is missing, and the names of
        the columns that hold something else.

    Raises:
        DataError: For no column of numbers, and a cell in one that is none, with its place.
    """
    names = tuple(name for name in table.columns if table.formats.looks_numeric(name))
    if not names:
        raise DataError(
            f"{table.path} has no numeric column among {table.shown()}; give a table that has one"
        )
    values = Spool(np.float32, (len(names),))
    for start, block in numbered(table):
        values.extend(matrix_in(table, names, block, start).astype(np.float32))
    kept = set(names)
    return names, values.finish(), [name for name in table.columns if name not in kept]
