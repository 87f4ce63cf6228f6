"""CSV files as tables, and files whose cells stand between tabs and have no quotes."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from engram.data.containers import unpacked
from engram.data.settings import TextTableSettings
from engram.data.tables import table
from engram.data.tables.dialect import Dialect, find_dialect
from engram.data.tables.quotes import QuoteChecked
from engram.data.tables.table import Block, Table
from engram.data.text.decoding import encoding_of, has_zeros, lines_of, not_text, opened
from engram.errors import DataError, did_you_mean

_SHOWN = 40  # characters of a line that a message quotes
_MOST_FAULTS = 10  # of a file that are told at once


def csv_table(path: Path, encoding: str, errors: str, given: TextTableSettings) -> Table:
    """A CSV file as a table; see `read_table`."""
    dialect = find_dialect(path, encoding, errors, given)
    names = dialect.names
    rows = partial(_rows, path, encoding, errors, dialect)

    def line(row: int) -> int:
        return next(islice(rows(), row, None))[0]

    def blocks() -> Iterator[Block]:
        count = 0
        try:
            for batch in _batches(path, encoding, errors, dialect):
                count += batch.num_rows
                columns = batch.columns
                if dialect.padded and columns.pop().null_count < batch.num_rows:
                    raise _RaggedError
                yield dict(zip(names, columns, strict=True))
        except _RaggedError:
            raise DataError(_ragged(path, rows(), dialect)) from None
        if not count:
            raise DataError(f"{path} contains a header but no rows; give a file that has rows")

    reading = {**given.reading(), **dialect.settings()}
    return Table(path, names, blocks, line, reading, dialect.notes)


def tab_table(path: Path, columns: Sequence[str], encoding: str, errors: str) -> Table:
    """Some columns of a file whose cells stand between tabs; quotes are characters like others.

    An empty line is a row of empty cells.

    Args:
        path, encoding, errors: The file; see `read_table`.
        columns: By number from 1, or by names that stand in the first line.

    Raises:
        DataError: For a file that cannot be read, or a line that lacks one of the columns.
    """
    lines = partial(lines_of, path, encoding=encoding, errors=errors)
    header = not all(name.isdecimal() and int(name) >= 1 for name in columns)
    if header:
        names = [name.strip() for name in next(lines()).split("\t")]
        for name in columns:
            if name not in names:
                raise DataError(
                    f"{path}, line 1: there is no column '{name}': {did_you_mean(name, names)}; or "
                    "give columns by number, from 1"
                )
        places = [names.index(name) for name in columns]
    else:
        places = [int(name) - 1 for name in columns]
    width = max(places) + 1

    def rows() -> Iterator[list[str]]:
        for place, line in enumerate(lines(), start=1):
            cells = line.split("\t") if line.strip() else [""] * width
            if len(cells) < width:
                shown = repr(line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…")
                raise DataError(
                    f"{path}, line {place:,} ({shown}): has {len(cells)} tab-separated columns, "
                    f"but column {width} was requested; fix the line, or give --columns"
                )
            yield [cells[each] for each in places]

    def blocks() -> Iterator[Block]:
        given = islice(rows(), int(header), None)
        while block := list(islice(given, table.ROWS)):
            yield dict(zip(columns, map(list, zip(*block, strict=True)), strict=True))

    return Table(path, list(dict.fromkeys(columns)), blocks, lambda row: row + 1 + int(header))


class _RaggedError(Exception):
    """A row has more or fewer cells than the first."""


def _batches(path: Path, encoding: str, errors: str, dialect: Dialect) -> Iterator[Any]:
    """The rows by arrow, in blocks that grow where a row is longer than one."""
    import pyarrow
    import pyarrow.csv as arrow

    names = [str(place) for place in range(dialect.width)]
    encoding, size, done = encoding_of(path, encoding), table.BLOCK, 0
    recoded = errors != "strict" or has_zeros(encoding)
    while True:
        seen = 0
        try:
            with (
                _source(path, encoding, errors, dialect) as source,
                arrow.open_csv(
                    source,
                    read_options=arrow.ReadOptions(
                        use_threads=False,
                        block_size=size,
                        skip_rows=dialect.lines,
                        column_names=names,
                        encoding="utf-8" if recoded else encoding,
                    ),
                    parse_options=arrow.ParseOptions(
                        delimiter=dialect.separator,
                        quote_char='"' if dialect.quoted else False,
                        newlines_in_values=dialect.quoted,
                        # a line without a cell is a missing value where there is one column
                        ignore_empty_lines=dialect.width > 1,
                    ),
                    convert_options=arrow.ConvertOptions(
                        column_types=dict.fromkeys(names, pyarrow.string()),
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=False,
                        null_values=[""],
                    ),
                ) as reader,
            ):
                for batch in reader:
                    seen += batch.num_rows
                    if seen > done:  # what came before, in smaller blocks, is not given again
                        new = batch.slice(batch.num_rows - (seen - done))
                        done = seen
                        yield new
            return
        except pyarrow.ArrowInvalid as error:
            said = " ".join(str(error).split())[:200]
            if "columns, got" in said:
                raise _RaggedError from None
            if "straddl" in said and size < table.LONGEST:
                size = min(16 * size, table.LONGEST)  # a row longer than a block
                continue
            if "straddl" in said:
                raise DataError(
                    f"{path} has a row of more than {table.LONGEST >> 20} MB; shorten it, or look "
                    "for a quote that is never closed"
                ) from None
            if "Empty CSV" in said:
                return
            if "UTF8" in said:
                raise DataError(not_text(path, encoding, error)) from None
            raise DataError(f"{path} is not a table in {encoding}: {said}; fix it") from None
        except UnicodeDecodeError as error:
            raise DataError(not_text(path, encoding, error)) from None


@contextmanager
def _source(path: Path, encoding: str, errors: str, dialect: Dialect) -> Iterator[Any]:
    """The bytes that arrow reads."""
    with unpacked(path) as file:
        source: BinaryIO = file
        if errors != "strict" or has_zeros(encoding):
            source = io.BytesIO(file.read().decode(encoding, errors).encode())
        judge = partial(_require_closed_quotes, path, encoding, errors, dialect)
        yield QuoteChecked(source, dialect.separator, judge) if dialect.quoted else source


def _require_closed_quotes(path: Path, encoding: str, errors: str, dialect: Dialect) -> None:
    """See that the quotes of a file open and close cells, by the standard library's strict reader.

    Raises:
        DataError: For one that does not, with the line on which its row begins.
    """
    line = dialect.lines
    try:
        for begins, _ in _rows(path, encoding, errors, dialect):
            line = begins
    except csv.Error as error:
        what = "a quote that is never closed" if "unexpected end" in str(error) else str(error)
        raise DataError(
            f"{path}: the row after line {line} has {what}; double the quotes that are part of a "
            "text, or use --quotes none"
        ) from None


def _ragged(path: Path, rows: Iterator[tuple[int, list[str]]], dialect: Dialect) -> str:
    """What to say of the rows that have more or fewer cells than the others: the first ten."""
    width, found = dialect.width, []
    try:
        for line, row in rows:
            if len(row) != width or (dialect.padded and row[-1]):
                text = dialect.separator.join(row).strip()[:60]
                found.append(f"line {line} has {len(row)} cells: {text!r}")
            if len(found) == _MOST_FAULTS:
                break
    except csv.Error as error:
        return f"{path} is not a CSV table: {error}; fix it"
    if not found:
        return f"{path} has a row that does not have {width} cells; fix it"
    return f"{path}: each row should have {width} cells, but {'; '.join(found)}; fix it"


def _rows(
    path: Path, encoding: str, errors: str, dialect: Dialect
) -> Iterator[tuple[int, list[str]]]:
    """Rows of data, and the line on which each begins; slower than arrow."""
    with opened(path, encoding, errors, newline="") as lines:
        for _ in range(dialect.lines):
            lines.readline()
        reader = dialect.rows(lines)
        begins = 1
        for row in reader:
            if row or dialect.width == 1:
                yield dialect.lines + begins, row or [""]
            begins = reader.line_num + 1  # type: ignore[attr-defined]
