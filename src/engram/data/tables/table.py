"""Table: a file of rows and named columns, read block by block."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from engram.data.tables.cells import number
from engram.errors import DataError
from engram.files import cannot

BLOCK = 1 << 23  # bytes of a text file that are read at once
_LONGEST = 1 << 30  # bytes of the longest row
_ROWS = 50_000  # of a block, at most
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}

Block = dict[str, Any]
"""Some rows by column: arrow arrays, or lists of Python values; `cells` reads both."""


@dataclass(frozen=True)
class Table:
    """A file of rows.

    Attributes:
        path: Of the file.
        columns: Names, in their order.
        blocks: Reads the rows anew, block after block.
        line: The line of a text file on which a row begins, both numbered from 0 and 1; None where
            rows have no lines. It reads the file anew.
    """

    path: Path
    columns: list[str]
    blocks: Callable[[], Iterator[Block]]
    line: Callable[[int], int] | None = None

    def name(self, row: int) -> str:
        """What an example of this row, numbered from 0, is called."""
        return f"{self.path} row {row + 1}"

    def place(self, row: int) -> str:
        """Where a row stands, numbered from 0, for the message of a fault."""
        return self.name(row) if self.line is None else f"{self.path} line {self.line(row)}"


def read_table(path: Path, *, encoding: str = "utf-8") -> Table:
    """Open a table; its first block is read, the others when they are asked for.

    CSV cells are separated by commas, semicolons, tabs or bars, whichever its first line holds most
    of, and may be quoted. Its first line is a header where it holds no number; else columns are
    called ``column 1``, … A cell that is empty, or says NA, NaN, null, none or ?, is missing.

    Args:
        path: A ``.csv``, ``.tsv``, ``.tab``, ``.parquet``, ``.pq``, ``.jsonl`` or ``.ndjson`` file.
        encoding: Of text files. A byte order mark is dropped.

    Raises:
        DataError: For a file that cannot be read, is empty or damaged, has rows of differing
            lengths, or two columns of one name; here or when the blocks are read.
    """
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise DataError(
            f"{path} is no table by its name; tables end in {', '.join(sorted(SUFFIXES))}"
        )
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty; name a file that holds a table")
        if kind == "csv":
            table = _csv(path, encoding)
        elif kind == "jsonl":
            table = _json_lines(path, encoding)
        else:
            table = _parquet(path)
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error
    twice = [name for name in table.columns if table.columns.count(name) > 1]
    if twice:
        raise DataError(f"{path} has two columns called '{twice[0]}'; rename one")
    return table


def _csv(path: Path, encoding: str) -> Table:
    separator, cells, lines = _first_line(path, encoding)
    # an index without a name has an empty cell in the header
    header = all(number(cell) is None for cell in cells if cell.strip())
    names = [cell.strip() for cell in cells]
    if not header:
        names = [f"column {place + 1}" for place in range(len(cells))]
    elif "" in names:
        names = [name or f"column {place + 1}" for place, name in enumerate(names)]

    def blocks() -> Iterator[Block]:
        found = False
        for block in _csv_blocks(path, encoding, separator, names, lines if header else 0):
            found = True
            yield block
        if not found:
            raise DataError(f"{path} holds a header and no rows; name a file that has some")

    def line(row: int) -> int:
        rows = _python_rows(path, encoding, separator)
        return next(islice(rows, row + int(header), None))[0]

    return Table(path, names, blocks, line)


def _first_line(path: Path, encoding: str) -> tuple[str, list[str], int]:
    """The separator, the cells of the first line that holds some, and the lines up to its end."""
    import csv

    try:
        with open(path, encoding=_with_mark(encoding), newline="") as lines:
            start = lines.readline(BLOCK)
            while start and not start.strip():
                start = lines.readline(BLOCK)
            lines.seek(0)
            separator = max(",;\t|", key=start.count)
            csv.field_size_limit(_LONGEST)
            reader = csv.reader(lines, delimiter=separator)
            cells = next(row for row in reader if any(cell.strip() for cell in row))
            ended = reader.line_num
    except (UnicodeDecodeError, LookupError) as error:
        raise DataError(not_text(path, encoding, error)) from None
    except csv.Error as error:
        raise DataError(f"{path} is no table of text: {error}; mend its first line") from None
    except StopIteration:
        raise DataError(f"{path} is empty; name a file that holds a table") from None
    return separator, cells, ended


def _csv_blocks(
    path: Path, encoding: str, separator: str, names: list[str], skipped: int
) -> Iterator[Block]:
    import pyarrow
    import pyarrow.csv as arrow

    size, done = BLOCK, 0
    while True:
        options = {
            "read_options": arrow.ReadOptions(
                use_threads=False,
                block_size=size,
                skip_rows=skipped,
                column_names=[str(place) for place in range(len(names))],
                encoding=encoding,
            ),
            "parse_options": arrow.ParseOptions(delimiter=separator, newlines_in_values=True),
            "convert_options": arrow.ConvertOptions(
                column_types={str(place): pyarrow.string() for place in range(len(names))},
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        }
        seen = 0
        try:
            with arrow.open_csv(path, **options) as reader:
                for batch in reader:
                    seen += batch.num_rows
                    if seen > done:  # what came before, in smaller blocks, is not given again
                        new = batch.slice(batch.num_rows - (seen - done))
                        done = seen
                        yield dict(zip(names, new.columns, strict=True))
            return
        except pyarrow.ArrowInvalid as error:
            if "columns, got" in str(error):
                raise DataError(_ragged(path, encoding, separator, len(names))) from None
            if "straddl" in str(error) and size < _LONGEST:
                size *= 16  # a row longer than a block
                continue
            if "Empty CSV" in str(error):
                return
            raise DataError(f"{path} is no table in {encoding}: {_short(error)}; mend it") from None
        except (UnicodeDecodeError, LookupError) as error:
            raise DataError(not_text(path, encoding, error)) from None


def _ragged(path: Path, encoding: str, separator: str, width: int) -> str:
    """What to say of the first row that has more or fewer cells than the others."""
    import csv

    try:
        for line, row in _python_rows(path, encoding, separator):
            if len(row) != width:
                text = separator.join(row).strip()[:60]
                count = f"{path} line {line} has {len(row)} cells, and the first has {width}"
                return f"{count}: '{text}'; mend it"
    except UnicodeDecodeError as error:
        return not_text(path, encoding, error)
    except csv.Error as error:
        return f"{path} is no table in {encoding}: {error}; mend it"
    return f"{path} has a row of other than {width} cells; mend it"


def _python_rows(path: Path, encoding: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold something, and the line on which each begins; slower than arrow."""
    import csv

    with open(path, encoding=_with_mark(encoding), newline="") as lines:
        reader = csv.reader(lines, delimiter=separator)
        begins = 1
        for row in reader:
            if row:
                yield begins, row
            begins = reader.line_num + 1


def _json_lines(path: Path, encoding: str) -> Table:
    names: list[str] = []

    def blocks() -> Iterator[Block]:
        rows: list[dict[str, Any]] = []
        size = 0
        for line, row, characters in _json_rows(path, encoding):
            if names and set(row) - set(names):
                extra = min(set(row) - set(names))
                raise DataError(
                    f"{path} line {line} has '{extra}', which the lines before it have not; give "
                    "every line the same names"
                )
            rows.append(row)
            size += characters
            if len(rows) == _ROWS or size > BLOCK:
                yield {name: [r.get(name) for r in rows] for name in names}
                rows, size = [], 0
        if rows:
            yield {name: [r.get(name) for r in rows] for name in names}

    for _, row, _ in islice(_json_rows(path, encoding), 1000):
        names += [name for name in row if name not in names]
    if not names:
        raise DataError(f"{path} is empty; name a file that holds a table")

    def line(row: int) -> int:
        return next(islice(_json_rows(path, encoding), row, None))[0]

    return Table(path, names, blocks, line)


def _json_rows(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any], int]]:
    """The line, its object, and its characters."""
    try:
        with open(path, encoding=_with_mark(encoding)) as lines:
            for line, text in enumerate(lines, start=1):
                if not text.strip():
                    continue
                try:
                    row = json.loads(text)
                except (ValueError, RecursionError) as error:
                    raise DataError(f"{path} line {line} is no JSON: {error}; mend it") from None
                if not isinstance(row, dict):
                    raise DataError(
                        f"{path} line {line} holds {type(row).__name__}; each line takes one "
                        'object, such as {"text": "…", "label": "…"}'
                    )
                yield line, row, len(text)
    except (UnicodeDecodeError, LookupError) as error:
        raise DataError(not_text(path, encoding, error)) from None


def _parquet(path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet as parquet

    def opened() -> Any:
        try:
            return parquet.ParquetFile(path)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} is no Parquet file: {_short(error)}; mend it") from None

    names = [str(name) for name in opened().schema_arrow.names]

    def blocks() -> Iterator[Block]:
        file = opened()
        facts = file.metadata
        size = sum(facts.row_group(group).total_byte_size for group in range(facts.num_row_groups))
        rows = max(1, min(_ROWS, BLOCK * facts.num_rows // max(1, size)))
        found = 0
        try:
            for batch in file.iter_batches(batch_size=rows):
                batch.validate(full=True)  # texts that are none would be found too late
                found += batch.num_rows
                if batch.num_rows:
                    yield dict(zip(names, batch.columns, strict=True))
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} is damaged: {_short(error)}; restore it") from None
        if found != facts.num_rows:
            raise DataError(
                f"{path} is damaged: it says that it has {facts.num_rows:,} rows, and has "
                f"{found:,}; restore it"
            )

    if opened().metadata.num_rows == 0:
        raise DataError(f"{path} holds no rows; name a file that has some")
    return Table(path, names, blocks)


def not_text(path: Path, encoding: str, error: Exception) -> str:
    """What to say of bytes that are not text in an encoding."""
    if isinstance(error, UnicodeDecodeError):
        return (
            f"{path} is not text in {encoding} (byte {error.start:,} of what was read is "
            f"0x{error.object[error.start]:02x}); name its encoding with --encoding"
        )
    return f"the encoding '{encoding}' is not known; use one such as utf-8 or latin-1"


def _with_mark(encoding: str) -> str:
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
