"""Pairs of texts, for translation: two files whose lines belong together, or columns of one."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from engram.data.text.documents import lines_of
from engram.data.text.texts import GrowingTexts
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

    sources: Sequence[str]
    targets: Sequence[str]
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


def read_lines(path: Path, encoding: str = "utf-8", errors: str = "strict") -> Iterator[str]:
    """The lines of a file one by one, without what ends them.

    Raises:
        DataError: For a file that cannot be read, is empty, or holds NUL.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}; name a file of lines")
    for number, line in enumerate(lines_of(path, encoding=encoding, errors=errors), start=1):
        if "\0" in line:
            raise DataError(f"{path}, line {number}: holds NUL, so it is damaged; restore the file")
        yield line


def _from_two(source: Path, target: Path, encoding: str, errors: str) -> Pairs:
    sides = [read_lines(path, encoding, errors) for path in (source, target)]

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
                f"({_quoted(first)}) has no partner; give files whose lines belong together"
            )

    return _paired(pairs(), 1, f"{source} and {target}")


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
        names = [name.strip() for name in next(lines).split("\t")]
        for name in columns:
            if name not in names:
                raise DataError(
                    f"{path}, line 1: there is no column '{name}': {did_you_mean(name, names)}; or "
                    "give columns by number from 1"
                )
        places, first = [names.index(name) for name in columns], 1

    def pairs() -> Iterator[tuple[str, str]]:
        for number, line in enumerate(lines, start=first + 1):
            cells = line.split("\t")
            if not line.strip():
                cells = [""] * (max(places) + 1)
            if len(cells) <= max(places):
                raise DataError(
                    f"{path}, line {number:,} ({_quoted(line)}): has {len(cells)} columns between "
                    f"tabs, and column {max(places) + 1} is asked for; mend the line, or give "
                    "--columns"
                )
            yield cells[places[0]], cells[places[1]]

    return _paired(pairs(), first + 1, str(path))


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
        raise DataError(f"{where}: in no line are both sides filled; give at least one pair")
    return Pairs(sources.finish(), targets.finish(), skipped)


def _quoted(line: str) -> str:
    return repr(line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…")
