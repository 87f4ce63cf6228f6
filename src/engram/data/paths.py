"""Paths that a person names: files, folders and globs, and what lies below them.

One rule holds for all. Hidden files and folders are left out. A link to a folder is followed where
it is named or matched, and left out on the way down, so that there are no loops. A link to nothing
is left out. Each real file comes once. What was left out is counted, and told.
"""

import glob
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from engram.errors import DataError
from engram.files import cannot

R = TypeVar("R")
MOST_FAULTS = 10  # files that a message names


class Found:
    """Files and folders as they are found, and what was left out.

    Attributes:
        dead: Links to nothing.
        linked: Links to folders, that were not followed.
        again: Files that were there already, under another name.
    """

    def __init__(self) -> None:
        self.dead: list[Path] = []
        self.linked: list[Path] = []
        self.again: list[Path] = []
        self._seen: set[Path] = set()

    def notes(self) -> list[str]:
        """What was left out, one sentence each."""
        kinds = (
            (self.dead, "links are broken"),
            (self.linked, "links to folders were not followed"),
            (self.again, "files are given or linked twice"),
        )
        return [
            f"{len(paths):,} {what} and were left out, such as {paths[0]}"
            for paths, what in kinds
            if paths
        ]

    def expanded(self, given: str, kinds: str) -> list[Path]:
        """A path as it is, or what a glob matches, in order.

        Args:
            given: The path or glob; ``**`` stands for any folders.
            kinds: What may be named, for the message.

        Raises:
            DataError: For what does not exist.
        """
        if exists(given):
            return [Path(given)]
        matches = self._matches(given) if glob.has_magic(given) else []
        paths = [Path(path) for path in sorted(set(matches))]
        dead = [path for path in paths if not path.exists()]
        self.dead += dead
        if len(dead) == len(paths):
            what = "is a broken link" if dead or Path(given).is_symlink() else "does not exist"
            raise DataError(f"{given} {what}; name {kinds}")
        return [path for path in paths if path not in set(dead)]

    def below(self, folder: Path, skipped: Collection[str] = ()) -> list[Path]:
        """All files below a folder, in order.

        Args:
            folder: The folder.
            skipped: Names of folders that are left out.

        Raises:
            DataError: For a folder that cannot be read.
        """
        return [
            path
            for parent, files in self._folders(folder, skipped)
            for name in sorted(files)
            if not name.startswith(".") and self._is_there(path := parent / name)
        ]

    def once(self, path: Path) -> bool:
        """Whether a file comes for the first time."""
        real = path.resolve()
        if real in self._seen:
            self.again.append(path)
            return False
        self._seen.add(real)
        return True

    def _is_there(self, path: Path) -> bool:
        if path.is_symlink() and not path.exists():
            self.dead.append(path)
        return path.is_file()

    def _folders(
        self, folder: Path, skipped: Collection[str] = ()
    ) -> Iterator[tuple[Path, list[str]]]:
        """A folder and those below it, each with the names of its files."""

        def refuse(error: OSError) -> None:
            raise DataError(cannot("read", Path(str(error.filename)), error)) from error

        for root, folders, files in os.walk(folder, onerror=refuse):
            own = sorted(
                name for name in folders if not name.startswith(".") and name not in skipped
            )
            linked = [name for name in own if os.path.islink(os.path.join(root, name))]
            self.linked += [Path(root, name) for name in linked]
            folders[:] = [name for name in own if name not in set(linked)]
            yield Path(root), files

    def _matches(self, pattern: str) -> Iterator[str]:
        parts = re.split(r"(?:^|/)\*\*(?:/|$)", pattern, maxsplit=1)
        if len(parts) == 1:
            yield from glob.iglob(pattern)
            return
        head, tail = parts
        for start in glob.iglob(head) if head else ["/" if pattern.startswith("/") else ""]:
            for folder, files in self._folders(Path(start)):
                if tail:
                    yield from self._matches(os.path.join(glob.escape(str(folder)), tail))
                else:
                    yield from (str(folder / name) for name in files if not name.startswith("."))


def together(faults: Sequence[str], of: str) -> str:
    """The faults of several files as one sentence, at most ten by name.

    Args:
        faults: One sentence for each.
        of: How many files there are, and what they are.
    """
    if len(faults) == 1:
        return faults[0]
    more = f"; and {len(faults) - MOST_FAULTS:,} more" if len(faults) > MOST_FAULTS else ""
    return f"{len(faults):,} of {of} cannot be read: {'; '.join(faults[:MOST_FAULTS])}{more}"


def read_each(
    paths: Sequence[Path], read: Callable[[Path], R], places: Sequence[str], kind: str
) -> Iterator[tuple[Path, R]]:
    """What each file contains; once one is faulty, the others are only looked at.

    Args:
        paths: The files.
        read: Reads one, or raises a DataError.
        places: Where each was named, for messages; empty where nowhere but by its path.
        kind: What they are, for messages.

    Raises:
        DataError: At the end, for all that cannot be read.
    """
    faults: list[str] = []
    for index, path in enumerate(paths):
        try:
            found = read(path)
        except DataError as error:
            faults.append(f"{places[index]}: {error}" if places else str(error))
            continue
        if not faults:
            yield path, found
    if faults:
        raise DataError(together(faults, f"{len(paths):,} {kind}"))


def noted(told: Sequence[tuple[Sequence[Path], str]], count: int, kind: str) -> list[str]:
    """What is to be said of some of the files, one sentence each."""
    return [
        f"{len(paths):,} of {count:,} {kind} {what}, such as {paths[0]}"
        for paths, what in told
        if paths
    ]


def exists(given: str) -> bool:
    """Whether something has this path.

    Raises:
        DataError: For a text that cannot be a path.
    """
    try:
        if "\0" in given:
            raise ValueError("it contains a NUL character")
        return Path(given).exists()
    except (OSError, ValueError) as error:  # such as a name of 300 characters, or one with NUL
        said = getattr(error, "strerror", None) or str(error)
        shown = given if len(given) <= 80 else given[:79] + "…"
        raise DataError(f"cannot read {shown!r}: {said}; check the path") from None


def expanded(
    paths: Sequence[str], kinds: str, made: Collection[str] = ()
) -> tuple[list[Path], list[str]]:
    """Each path, and for each glob what it matches, in order.

    Args:
        paths: As they were given.
        kinds: What may be named, for the message.
        made: Names that are no paths, and stay as they are.

    Returns:
        The paths, and what was left out, one sentence each.

    Raises:
        DataError: For what does not exist.
    """
    found = Found()
    files: list[Path] = []
    for given in paths:
        own = given in made and not exists(given)
        paths_of = [Path(given)] if own else found.expanded(given, kinds)
        files += [path for path in paths_of if own or found.once(path)]
    return files, found.notes()
