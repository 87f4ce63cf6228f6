"""CSV files as tables, and files whose cells stand between tabs and have no quotes."""

import csv
import io
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from engram.data.tables import table
from engram.data.tables.cells import number
from engram.data.tables.table import Block, Table, source_of
from engram.data.text.decoding import lines_of, not_text, opened
from engram.errors import DataError, did_you_mean

_SHOWN = 40  # characters of a line that a message quotes


def csv_table(path: Path, encoding: str = "utf-8", errors: str = "strict") -> Table:
    """A CSV file as a table; see `read_table`."""
    separator, cells, lines = _first_line(path, encoding, errors)
    # an index without a name has an empty cell in the header
    header = all(number(cell) is None for cell in cells if cell.strip())
    names = [
        (header and cell.strip()) or f"column {place}" for place, cell in enumerate(cells, start=1)
    ]
    rows = partial(_rows, path, encoding, errors, separator)

    def line(row: int) -> int:
        return next(islice(rows(), row + int(header), None))[0]

    def blocks() -> Iterator[Block]:
        count, last = 0, ""
        try:
            for batch in _batches(path, encoding, errors, separator, len(names), lines * header):
                count += batch.num_rows
                last = batch.column(len(names) - 1)[batch.num_rows - 1].as_py() or ""
                yield dict(zip(names, batch.columns, strict=True))
        except _RaggedError:
            raise DataError(_ragged(path, rows(), separator, len(names))) from None
        if not count:
            raise DataError(f"{path} contains a header but no rows; give a file that has rows")
        if "\n" in last and not _ends_quoted(path, encoding):
            raise DataError(
                f"{path} line {line(count - 1)} has a quote that is never closed; close it, or "
                "double it if it is part of the text"
            )

    return Table(path, names, blocks, line)


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


def _first_line(path: Path, encoding: str, errors: str) -> tuple[str, list[str], int]:
    """The separator, the cells of the first line that holds some, and the lines up to its end."""
    with opened(path, encoding, errors, newline="") as lines:
        start = lines.readline(table.BLOCK)
        while start and not start.strip():
            start = lines.readline(table.BLOCK)
        if "\0" in start:
            raise DataError(
                f"{path} contains NUL in its first line, so it is damaged or in another encoding "
                "(utf-16?); restore it, or give its encoding with --encoding"
            )
        lines.seek(0)
        separator = max(",;\t|", key=start.count)
        csv.field_size_limit(table.LONGEST)
        reader = csv.reader(lines, delimiter=separator)
        try:
            cells = next(row for row in reader if any(cell.strip() for cell in row))
        except csv.Error as error:
            raise DataError(f"{path} is not a CSV table: {error}; fix its first line") from None
        except StopIteration:
            raise DataError(f"{path} is empty; give a file that contains a table") from None
        return separator, cells, reader.line_num


def _batches(
    path: Path, encoding: str, errors: str, separator: str, width: int, skipped: int
) -> Iterator[Any]:
    """The rows by arrow, in blocks that grow where a row is longer than one."""
    import pyarrow
    import pyarrow.csv as arrow

    names = [str(place) for place in range(width)]
    source: Any = source_of(path)
    if errors != "strict":
        source = io.BytesIO(path.read_bytes().decode(encoding, errors).encode())
        encoding = "utf-8"
    size, done = table.BLOCK, 0
    while True:
        seen = 0
        if source != path:
            source.seek(0)
        try:
            with arrow.open_csv(
                source,
                read_options=arrow.ReadOptions(
                    use_threads=False,
                    block_size=size,
                    skip_rows=skipped,
                    column_names=names,
                    encoding=encoding,
                ),
                parse_options=arrow.ParseOptions(delimiter=separator, newlines_in_values=True),
                convert_options=arrow.ConvertOptions(
                    column_types=dict.fromkeys(names, pyarrow.string()),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    null_values=[""],
                ),
            ) as reader:
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


def _ragged(path: Path, rows: Iterator[tuple[int, list[str]]], separator: str, width: int) -> str:
    """What to say of the first row that has more or fewer cells than the others."""
    try:
        for line, row in rows:
            if len(row) != width:
                text = separator.join(row).strip()[:60]
                count = f"{path} line {line} has {len(row)} cells, but the first has {width}"
                return f"{count}: '{text}'; fix it"
    except csv.Error as error:
        return f"{path} is not a CSV table: {error}; fix it"
    return f"{path} has a row that does not have {width} cells; fix it"


def _rows(
    path: Path, encoding: str, errors: str, separator: str
) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold something, and the line on which each begins; slower than arrow."""
    with opened(path, encoding, errors, newline="") as lines:
        reader = csv.reader(lines, delimiter=separator)
        begins = 1
        for row in reader:
            if row:
                yield begins, row
            begins = reader.line_num + 1


def _ends_quoted(path: Path, encoding: str) -> bool:
    """Whether the last sign of a file is a quote."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 64))
        return file.read().decode(encoding, "ignore").rstrip().endswith('"')
