"""Reading text: files, folders, globs, and Python's own standard library."""

import codecs
import glob
import os
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

from engram.data.text.pieces import Pieces
from engram.errors import DataError
from engram.files import cannot

STDLIB = "stdlib"
_SKIPPED_IN_STDLIB = {"test", "tests", "site-packages", "dist-packages", "idlelib", "lib2to3"}
CHUNK = 1 << 20  # bytes that are read at once
_PEEK = 8192


@dataclass(frozen=True)
class Text:
    """Documents read from disk.

    Attributes:
        pieces: The text of each, cut; in a file without a name where it is large.
        names: Where each came from.
        skipped: Files in folders that hold binary data or nothing, and were left out.
    """

    pieces: Pieces
    names: list[str]
    skipped: list[str]

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
        raise DataError("no data was named; name files, folders or globs, or 'stdlib'")
    names: list[str] = []
    skipped: list[str] = []
    left = float("inf") if max_characters is None else max_characters

    def limited(parts: Iterator[str]) -> Iterator[str]:
        nonlocal left
        for part in parts:
            yield part if left >= len(part) else part[: int(left)]
            left -= len(part)
            if left <= 0:
                return

    def documents() -> Iterator[Iterator[str]]:
        for path, named in _files(paths):
            if left <= 0:
                return
            parts = _decoded(path, named, encoding, errors)
            first = next(parts, None)
            if first is not None:
                names.append(str(path))
                yield limited(chain([first], parts))
            elif named:
                raise DataError(f"{path} is empty; name a file that holds text")
            else:
                skipped.append(str(path))

    pieces = Pieces.of(documents())
    if not names:
        given = ", ".join(str(p) for p in paths)
        raise DataError(
            f"{given} holds no text ({len(skipped)} empty or binary files); "
            "name files or folders that hold text"
        )
    return Text(pieces, names, skipped)


def lines_of(path: Path, *, encoding: str = "utf-8", errors: str = "strict") -> Iterator[str]:
    """The lines of a file one by one, without what ends them: a line feed, and nothing else.

    Args:
        path: The file.
        encoding, errors: As in `read_text`.

    Raises:
        DataError: For a file that cannot be read or is empty; as the lines are taken.
    """
    empty = True
    held: list[str] = []  # of a line whose end has not come
    for part in _decoded(path, True, encoding, errors):
        empty = False
        first, *lines = part.split("\n")
        held.append(first)
        if lines:
            yield "".join(held)
            held = [lines.pop()]
            yield from lines
    if empty:
        raise DataError(f"{path} is empty; name a file that holds text")
    last = "".join(held)
    if last:
        yield last


def _files(paths: Sequence[str | os.PathLike[str]]) -> Iterator[tuple[Path, bool]]:
    """Give each file once, in a stable order, and whether it was named itself."""
    seen: set[Path] = set()
    for given in paths:
        try:
            for path, named in _expand(str(given)):
                resolved = path.resolve()
                if resolved not in seen:
                    seen.add(resolved)
                    yield path, named
        except OSError as error:
            raise DataError(cannot("read", Path(given), error)) from error


def _expand(given: str) -> Iterator[tuple[Path, bool]]:
    path = Path(given)
    if given == STDLIB and not path.exists():
        for found in _walk(Path(sysconfig.get_paths()["stdlib"])):
            if found.suffix == ".py":
                yield found, False
    elif path.is_dir():
        for found in _walk(path):
            yield found, False
    elif path.exists():
        yield path, True
    else:
        matches = sorted(glob.glob(given, recursive=True)) if glob.has_magic(given) else []
        if not matches:
            raise DataError(
                f"{given} does not exist; name a file, a folder, a glob that matches, or 'stdlib'"
            )
        for match in matches:
            yield from _expand(match)


def _walk(folder: Path) -> Iterator[Path]:
    """All files below a folder in sorted order, without hidden ones; links are not followed."""

    def refuse(error: OSError) -> None:
        raise DataError(cannot("read", Path(str(error.filename)), error)) from error

    stdlib = folder == Path(sysconfig.get_paths()["stdlib"])
    for root, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith((".", "__pycache__"))
            and not (stdlib and name in _SKIPPED_IN_STDLIB)
        )
        for name in sorted(files):
            path = Path(root, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _has_zeros(encoding: str) -> bool:
    """Whether plain letters hold zero bytes in an encoding, as in UTF-16."""
    try:
        return b"\0" in "a".encode(encoding)
    except (LookupError, ValueError):  # no such encoding, which `_decode` reports
        return False


def _decoded(path: Path, named: bool, encoding: str, errors: str) -> Iterator[str]:
    """The text of a file part by part, none of them empty; nothing for binary data in a folder."""
    before = 0  # bytes that are done with
    began = False
    held = ""  # a carriage return, whose line feed may come in the next part
    try:
        decoder = _decoder(encoding, errors)
        with path.open("rb") as file:
            while True:
                raw = file.read(CHUNK)
                if not began and not named and b"\0" in raw[:_PEEK] and not _has_zeros(encoding):
                    return
                pending = len(decoder.getstate()[0])
                try:
                    text = decoder.decode(raw, final=not raw)
                except UnicodeDecodeError as error:
                    raise DataError(_not_text(path, encoding, error, before - pending)) from None
                before += len(raw)
                if not began and text:
                    text = _first(text, path)
                    began = True
                text = held + text
                held = "\r" if raw and text.endswith("\r") else ""
                text = (text[:-1] if held else text).replace("\r\n", "\n")
                if text:
                    yield text
                if not raw:
                    return
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error
    except (LookupError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{error}; --encoding takes a name such as utf-8, latin-1 or cp1252, "
            "--errors takes strict, replace or ignore"
        ) from None


def _first(text: str, path: Path) -> str:
    """The beginning of a file, without its byte order mark; a DataError where it holds NUL."""
    if "\0" in text[:_PEEK]:
        raise DataError(
            f"{path} holds NUL at character {text.index(chr(0))}, so it is binary or in another "
            "encoding (utf-16?); name a text file, or give --encoding"
        )
    return text.removeprefix("\ufeff")


def _decoder(encoding: str, errors: str) -> codecs.IncrementalDecoder:
    b"a".decode(encoding, "ignore")  # raises for what is no encoding of text
    codecs.lookup_error(errors)
    return codecs.getincrementaldecoder(encoding)(errors)


def _not_text(path: Path, encoding: str, error: UnicodeDecodeError, before: int) -> str:
    raw = error.object
    found = f"0x{raw[error.start]:02x}" if error.start < len(raw) else "the end of the file"
    return (
        f"{path}: byte offset {before + error.start} ({found}) is not {encoding}; "
        "give --encoding (for example latin-1), or --errors replace or ignore"
    )
