"""JSON and JSON Lines as tables: a record, or a line, is a row."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from engram.data.settings import TextTableSettings
from engram.data.tables import table
from engram.data.tables.table import Block, Table
from engram.data.text.decoding import decoded, numbered_lines, opened
from engram.errors import DataError

_LOOKED_AT = 1000  # rows whose names are the columns


def json_lines_table(path: Path, encoding: str, errors: str, given: TextTableSettings) -> Table:
    """A file with one JSON object a line as a table; see `read_table`."""
    names: list[str] = []

    def blocks() -> Iterator[Block]:
        rows: list[dict[str, Any]] = []
        size = 0
        known = set(names)
        for line, row, characters in _rows(path, encoding, errors):
            if not known.issuperset(row):
                raise DataError(
                    f"{path} line {line} has '{min(set(row) - known)}', which the lines before it "
                    "do not have; give every line the same keys"
                )
            rows.append(row)
            size += characters
            if len(rows) == table.ROWS or size > table.BLOCK:
                yield _block(names, rows)
                rows, size = [], 0
        if rows:
            yield _block(names, rows)

    def line(row: int) -> int:
        return next(islice(_rows(path, encoding, errors), row, None))[0]

    names += _names(row for _, row, _ in islice(_rows(path, encoding, errors), _LOOKED_AT))
    if not names:
        raise DataError(f"{path} is empty; give a file that contains a table")
    return Table(path, names, blocks, line, given.reading())


def json_table(path: Path, encoding: str, errors: str, given: TextTableSettings) -> Table:
    """A file with a JSON list of records as a table; see `read_table`."""
    return replace(records_table(path, read_value(path, encoding, errors)), reading=given.reading())


def read_value(path: Path, encoding: str, errors: str) -> Any:
    """The value of a JSON file.

    Raises:
        DataError: For a file that cannot be read, or is not JSON.
    """
    return _parsed("".join(decoded(path, encoding=encoding, errors=errors)), str(path))


def records_table(path: Path, records: Any) -> Table:
    """A list of records, as JSON has them, as a table.

    Raises:
        DataError: For anything else, and for no records.
    """
    if not isinstance(records, list):
        raise DataError(
            f"{path} contains a {type(records).__name__}; it must be a list of records, such as "
            '[{"text": "…", "label": "…"}]'
        )
    for place, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise DataError(
                f"{path} row {place} is a {type(record).__name__}; it must be an object of names "
                "and values"
            )
    names = _names(records)
    if not names:
        raise DataError(f"{path} contains no records; give a file that has records")
    return Table(path, names, lambda: iter([_block(names, records)]))


def _names(rows: Any) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _block(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> Block:
    return {name: [row.get(name) for row in rows] for name in names}


def _rows(path: Path, encoding: str, errors: str) -> Iterator[tuple[int, dict[str, Any], int]]:
    """The line, its object, and its characters."""
    with opened(path, encoding, errors) as lines:
        for line, text in numbered_lines(path, lines):
            if not text.strip():
                continue
            row = _parsed(text, f"{path} line {line}")
            if not isinstance(row, dict):
                raise DataError(
                    f"{path} line {line} contains {type(row).__name__}; each line must be one "
                    'object, such as {"text": "…", "label": "…"}'
                )
            yield line, row, len(text)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not valid JSON: {error}; fix it") from None
