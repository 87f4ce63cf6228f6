"""Pairs of texts, for translation: two files whose lines belong together, or columns of one."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from engram.data.labelled.examples import taken
from engram.data.settings import CutSettings, TextTableSettings
from engram.data.tables import cells
from engram.data.tables.checked import numbered, refuse_nul
from engram.data.tables.csv_files import tab_table
from engram.data.tables.reading import READERS, read_table
from engram.data.tables.roles import require_columns
from engram.data.text.decoding import lines_of
from engram.data.text.texts import GrowingTexts
from engram.errors import DataError

_OTHERS = READERS.keys() - {".tsv", ".tab"}  # kinds of tables that are not lines with tabs
_OPEN = CutSettings()
_SHOWN = 40  # characters of a line that a message quotes


@dataclass(frozen=True)
class Pairs:
    """Texts, and what each becomes.

    Attributes:
        sources: What is read.
        targets: What is to be written, as many.
        skipped: Lines, or rows, that were left out as one side was empty, by number from 1.
        notes: Choices in how the file was read, one sentence each.
    """

    sources: Sequence[str]
    targets: Sequence[str]
    skipped: list[int] = field(default_factory=list)
    notes: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.sources)

    def take(self, rows: np.ndarray) -> "Pairs":
        """Those rows, in that order."""
        return Pairs(taken(self.sources, rows), taken(self.targets, rows))


def read_pairs(
    paths: Sequence[str | os.PathLike[str]],
    *,
    columns: Sequence[str] = ("1", "2"),
    encoding: str = "utf-8",
    errors: str = "strict",
    given: CutSettings = _OPEN,
) -> Pairs:
    """Read pairs.

    Args:
        paths: Two files, whose lines belong together; or one: a table, or lines that have columns
            between tabs. A byte order mark is dropped, and lines may end as on Windows.
        columns: Of one file: which column is read and which is written, by number from 1, or by
            name; of lines with tabs, names stand in the first line.
        encoding, errors: Of the files; see `read_text`.
        given: How a CSV file is cut, as far as it is known.

    Raises:
        DataError: For files that cannot be read, with different numbers of lines, without the
            columns, or without a single pair; line and file are named.
    """
    if len(paths) == 1:
        return _from_columns(Path(paths[0]), columns, encoding, errors, given)
    if len(paths) == 2:
        return _from_two(Path(paths[0]), Path(paths[1]), encoding, errors)
    raise DataError(
        f"{len(paths)} files were given for pairs; give one with a tab in each line, or two with "
        "parallel lines"
    )


def _from_two(source: Path, target: Path, encoding: str, errors: str) -> Pairs:
    sides = [lines_of(path, encoding=encoding, errors=errors) for path in (source, target)]

    def pairs() -> Iterator[tuple[str, str]]:
        for number, (left, right) in enumerate(zip_longest(*sides), start=1):
            if left is not None and right is not None:
                yield left, right
                continue
            longer, first, lines = (
                (source, left, sides[0]) if right is None else (target, right, sides[1])
            )
            counts = {longer: number + sum(1 for _ in lines)}
            raise DataError(
                f"{source} has {counts.get(source, number - 1):,} lines and {target} "
                f"{counts.get(target, number - 1):,}: line {number:,} of {longer} "
                f"({_quoted(first)}) has no counterpart; give files with parallel lines"
            )

    return _paired(pairs(), 1, f"{source} and {target}")


def _from_columns(
    path: Path, columns: Sequence[str], encoding: str, errors: str, given: CutSettings
) -> Pairs:
    if len(columns) != 2:
        raise DataError(f"columns are {', '.join(columns)}; give two: source and target")
    if path.suffix.lower() not in _OTHERS:
        table, chosen = tab_table(path, columns, encoding, errors), columns
    else:
        own = {name: getattr(given, name) for name in CutSettings.model_fields}
        table = read_table(path, encoding=encoding, errors=errors, given=TextTableSettings(**own))
        names = table.columns
        chosen = [
            names[int(name) - 1] if name.isdecimal() and 0 < int(name) <= len(names) else name
            for name in columns
        ]
        require_columns(table, chosen)

    def pairs() -> Iterator[tuple[str, str]]:
        for start, block in numbered(table):
            sides = [cells.texts(block[name]) for name in chosen]
            for place, (source, target) in enumerate(zip(*sides, strict=True)):
                for name, text in zip(columns, (source, target), strict=True):
                    refuse_nul(text or "", table, start + place, name)
                yield source or "", target or ""

    found = _paired(pairs(), 1 if table.line is None else table.line(0), str(path))
    return replace(found, notes=table.notes)


def _paired(pairs: Iterator[tuple[str, str]], first: int, where: str) -> Pairs:
    """Pairs of lines, without those where one side is empty."""
    sources, targets = GrowingTexts(), GrowingTexts()
    skipped = []
    count = 0
    for number, (source, target) in enumerate(pairs, start=first):
        source, target = source.strip(), target.strip()
        if source and target:
            sources.add(source)
            targets.add(target)
            count += 1
        else:
            skipped.append(number)
    if not count:
        raise DataError(f"{where}: no line has both sides; give at least one pair")
    return Pairs(sources.finish(), targets.finish(), skipped)


def _quoted(line: str) -> str:
    return repr(line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…")
