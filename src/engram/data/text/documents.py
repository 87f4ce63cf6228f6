"""Reading text: files, folders, globs, and Python's own standard library."""

import os
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

from engram.data.paths import Found, exists
from engram.data.text.decoding import decoded
from engram.data.text.pieces import Pieces
from engram.errors import DataError
from engram.files import cannot

STDLIB = "stdlib"
_SKIPPED_IN_STDLIB = {
    "__pycache__",
    "test",
    "tests",
    "site-packages",
    "dist-packages",
    "idlelib",
    "lib2to3",
}


@dataclass(frozen=True)
class Text:
    """Documents read from disk.

    Attributes:
        pieces: The text of each, cut; in a file without a name where it is large.
        names: Where each came from.
        skipped: Files in folders that hold binary data or nothing, and were left out.
        notes: What else was left out, one sentence each.
    """

    pieces: Pieces
    names: list[str]
    skipped: list[str]
    notes: list[str] = field(default_factory=list)

    @cached_property
    def documents(self) -> list[str]:
        """The text of each as a whole, in memory."""
        return list(self.pieces.documents())

    @property
    def files(self) -> str:
        """How many files were read, in words: ``1 file``, ``277 files``."""
        return "1 file" if len(self.names) == 1 else f"{len(self.names):,} files"

    @property
    def characters(self) -> int:
        """How many characters all documents hold."""
        return self.pieces.characters


def read_text(
    paths: Sequence[str | os.PathLike[str]],
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    max_characters: int | None = None,
) -> Text:
    """Read documents.

    Args:
        paths: Files, folders (read recursively; hidden, empty and binary files are left out),
            globs, or ``"stdlib"`` for the sources of the running Python's standard library.
        encoding: Of all files, such as ``utf-8`` or ``latin-1``. A byte order mark is dropped.
        errors: What to do with bytes that are not text in it: ``strict``, ``replace``, ``ignore``.
        max_characters: Read no more than this.

    Raises:
        DataError: For a path that does not exist, a file that is empty, binary or wrongly encoded
            (with the offset of the byte), or a folder without text.
    """
    if not paths:
        raise DataError("no data was given; give files, folders or globs, or 'stdlib'")
    names: list[str] = []
    skipped: list[str] = []
    found = Found()
    left = float("inf") if max_characters is None else max_characters

    def limited(parts: Iterator[str]) -> Iterator[str]:
        nonlocal left
        for part in parts:
            yield part if left >= len(part) else part[: int(left)]
            left -= len(part)
            if left <= 0:
                return

    def documents() -> Iterator[Iterator[str]]:
        for path, named in _files(paths, found):
            if left <= 0:
                return
            parts = decoded(path, encoding=encoding, errors=errors, named=named)
            first = next(parts, None)
            if first is not None:
                names.append(str(path))
                yield limited(chain([first], parts))
            elif named:
                raise DataError(f"{path} is empty; give a file that contains text")
            else:
                skipped.append(str(path))

    pieces = Pieces.of(documents())
    if not names:
        given = ", ".join(str(p) for p in paths)
        raise DataError(
            f"{given} contains no text ({len(skipped)} empty or binary files); give files or "
            "folders that contain text"
        )
    return Text(pieces, names, skipped, found.notes())


def _files(paths: Sequence[str | os.PathLike[str]], found: Found) -> Iterator[tuple[Path, bool]]:
    """Give each file once, in a stable order, and whether it was named itself."""
    for given in paths:
        try:
            for path, named in _expand(os.fspath(given), found):
                if found.once(path):
                    yield path, named
        except OSError as error:
            raise DataError(cannot("read", Path(given), error)) from error


def _expand(given: str, found: Found) -> Iterator[tuple[Path, bool]]:
    if given == STDLIB and not exists(given):
        for path in found.below(Path(sysconfig.get_paths()["stdlib"]), _SKIPPED_IN_STDLIB):
            if path.suffix == ".py":
                yield path, False
        return
    for path in found.expanded(given, "a file, a folder, a glob that matches, or 'stdlib'"):
        if path.is_dir():
            yield from ((each, False) for each in found.below(path, {"__pycache__"}))
        else:
            yield path, True
