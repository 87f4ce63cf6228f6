"""Parquet files as tables."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engram.data.settings import TextTableSettings
from engram.data.tables import table
from engram.data.tables.arrow_types import plain_column
from engram.data.tables.table import Block, Table, source_of
from engram.errors import DataError

# What may come of a file: more is refused where it is also out of all proportion to its size.
_MOST_BYTES, _MOST_ROWS, _RATIO = 1 << 30, 1 << 27, 1000
_TRIED = 64  # rows that tell how large the others are


def parquet_table(path: Path, encoding: str, errors: str, given: TextTableSettings) -> Table:
    """A Parquet file as a table; see `read_table`."""
    import pyarrow
    import pyarrow.parquet as parquet

    faults = (pyarrow.ArrowException, OSError, UnicodeDecodeError, MemoryError)

    def opened() -> Any:
        try:
            return parquet.ParquetFile(source_of(path))
        except faults as error:
            raise DataError(f"{path} is not a Parquet file: {_short(error)}; fix it") from None

    names = [str(name) for name in opened().schema_arrow.names]

    def blocks() -> Iterator[Block]:
        file = opened()
        count = file.metadata.num_rows
        found = 0
        try:
            first = next(file.iter_batches(batch_size=_TRIED))
            sizes = [
                (c.dictionary_decode() if pyarrow.types.is_dictionary(c.type) else c).nbytes
                for c in first.columns
            ]
            each = max(1, sum(sizes) // max(1, first.num_rows))
            _refuse_bombs(path, count, each * count)
            size = max(1, min(table.ROWS, table.BLOCK // each))
            for batch in opened().iter_batches(batch_size=size):
                batch.validate(full=True)  # texts that are none would be found too late
                found += batch.num_rows
                if batch.num_rows:
                    columns = map(plain_column, batch.schema, batch.columns)
                    yield dict(zip(names, columns, strict=True))
        except StopIteration:
            pass
        except faults as error:
            raise DataError(f"{path} is damaged: {_short(error)}; restore it") from None
        if found != count:
            raise DataError(
                f"{path} is damaged: it declares {count:,} rows, but has {found:,}; restore it"
            )

    facts = opened().metadata
    if facts.num_rows == 0:
        raise DataError(f"{path} contains no rows; give a file that has rows")
    groups = [facts.row_group(place) for place in range(facts.num_row_groups)]
    _refuse_bombs(path, facts.num_rows, sum(group.total_byte_size for group in groups))
    return Table(path, names, blocks, reading=given.reading())


def _refuse_bombs(path: Path, rows: int, size: int) -> None:
    """See that a file does not unpack to what no disk holds.

    Raises:
        DataError: For rows and bytes past the limits.
    """
    least = _RATIO * path.stat().st_size
    if size > max(_MOST_BYTES, least) or rows > max(_MOST_ROWS, least):
        raise DataError(
            f"{path} of {path.stat().st_size:,} bytes unpacks to {rows:,} rows of {size:,} bytes "
            f"in total, but at most {max(_MOST_BYTES, least):,} are read; give a smaller file"
        )


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
