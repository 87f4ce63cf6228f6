"""Pairs of texts, for translation: two files whose lines belong together, or columns of one."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engram.data.text import read_text
from engram.errors import DataError, did_you_mean

_SHOWN = 40  # characters of a line that a message quotes


@dataclass(frozen=True)
class Pairs:
    """Texts, and what each becomes.

    Attributes:
        sources: What is read.
        targets: What is to be written, as many.
        skipped: Lines that were left out as one side was empty, by number from 1.
    """

    sources: list[str]
    targets: list[str]
    skipped: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sources)

    def take(self, start: int, stop: int) -> "Pairs":
        """Some of them, by place."""
        return Pairs(self.sources[start:stop], self.targets[start:stop])


def read_pairs(
    paths: Sequence[str | os.PathLike[str]],
    *,
    columns: Sequence[str] = ("1", "2"),
    encoding: str = "utf-8",
    errors: str = "strict",
) -> Pairs:
    """Read pairs.

    Args:
        paths: Two files, whose lines belong together; or one, whose lines have columns between
            tabs. A byte order mark is dropped, and lines may end as on Windows.
        columns: Of one file: which column is read and which is written, by number from 1, or by
            names that stand in its first line.
        encoding, errors: Of the files; see `read_text`.

    Raises:
        DataError: For files that cannot be read, with different numbers of lines, without the
            columns, or without a single pair; line and file are named.
    """
    if len(paths) == 1:
        return _from_columns(Path(paths[0]), columns, encoding, errors)
    if len(paths) == 2:
        return _from_two(Path(paths[0]), Path(paths[1]), encoding, errors)
    raise DataError(
        f"{len(paths)} files were named for pairs; name one with a tab in each line, or two whose "
        "lines belong together"
    )


def read_lines(path: Path, encoding: str = "utf-8", errors: str = "strict") -> list[str]:
    """The lines of a file, without what ends them.

    Raises:
        DataError: For a file that cannot be read, is empty, or holds NUL.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}; name a file of lines")
    text = read_text([path], encoding=encoding, errors=errors).documents[0]
    # only line feeds end a line: U+2028 and the like stand within sentences
    lines = text.removesuffix("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            raise DataError(f"{path}, line {number}: holds NUL, so it is damaged; restore the file")
    return lines


def _from_two(source: Path, target: Path, encoding: str, errors: str) -> Pairs:
    left, right = (read_lines(path, encoding, errors) for path in (source, target))
    if len(left) != len(right):
        shorter = min(len(left), len(right))
        longer, rest = (source, left) if len(left) > shorter else (target, right)
        raise DataError(
            f"{source} has {len(left):,} lines and {target} {len(right):,}: line {shorter + 1:,} "
            f"of {longer} ({_quoted(rest[shorter])}) has no partner; give files whose lines belong "
            "together"
        )
    return _paired(left, right, 1, f"{source} and {target}")


def _from_columns(path: Path, columns: Sequence[str], encoding: str, errors: str) -> Pairs:
    if len(columns) != 2:
        raise DataError(
            f"columns are {', '.join(columns)}; give two: what is read, and what is written"
        )
    lines = read_lines(path, encoding, errors)
    first = 0
    if all(name.isdecimal() and int(name) >= 1 for name in columns):
        places = [int(name) - 1 for name in columns]
    else:
        names = [name.strip() for name in lines[0].split("\t")]
        for name in columns:
            if name not in names:
                raise DataError(
                    f"{path}, line 1: there is no column '{name}': {did_you_mean(name, names)}; or "
                    "give columns by number from 1"
                )
        places, first = [names.index(name) for name in columns], 1
    sides: tuple[list[str], list[str]] = ([], [])
    for number, line in enumerate(lines[first:], start=first + 1):
        cells = line.split("\t")
        if not line.strip():
            cells = [""] * (max(places) + 1)
        if len(cells) <= max(places):
            raise DataError(
                f"{path}, line {number:,} ({_quoted(line)}): has {len(cells)} columns between "
                f"tabs, and column {max(places) + 1} is asked for; mend the line, or give --columns"
            )
        for side, place in zip(sides, places, strict=True):
            side.append(cells[place])
    return _paired(*sides, first + 1, str(path))


def _paired(left: list[str], right: list[str], first: int, where: str) -> Pairs:
    """Pairs of lines, without those where one side is empty."""
    pairs = Pairs([], [])
    for number, (source, target) in enumerate(zip(left, right, strict=True), start=first):
        source, target = source.strip(), target.strip()
        if source and target:
            pairs.sources.append(source)
            pairs.targets.append(target)
        else:
            pairs.skipped.append(number)
    if not pairs.sources:
        raise DataError(f"{where}: in no line are both sides filled; give at least one pair")
    return pairs


def _quoted(line: str) -> str:
    return repr(line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…")
