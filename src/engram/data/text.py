"""Reading text: files, folders, globs, and Python's own standard library."""

import glob
import os
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engram.errors import DataError
from engram.files import cannot

STDLIB = "stdlib"
_SKIPPED_IN_STDLIB = {"test", "tests", "site-packages", "dist-packages", "idlelib", "lib2to3"}
_PEEK = 8192


@dataclass(frozen=True)
class Text:
    """Documents read from disk.

    Attributes:
        documents: The text of each.
        names: Where each came from.
        skipped: Files in folders that hold binary data or nothing, and were left out.
    """

    documents: list[str]
    names: list[str]
    skipped: list[str]

    @property
    def files(self) -> str:
        """How many files were read, in words: ``1 file``, ``277 files``."""
        return "1 file" if len(self.names) == 1 else f"{len(self.names):,} files"

    @property
    def characters(self) -> int:
        """How many characters all documents hold."""
        return sum(len(document) for document in self.documents)


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
    documents: list[str] = []
    names: list[str] = []
    skipped: list[str] = []
    left = max_characters
    for path, named in _files(paths):
        if left is not None and left <= 0:
            break
        raw = _read_bytes(path)
        binary = b"\0" in raw[:_PEEK] and not _has_zeros(encoding)
        document = "" if binary and not named else _decode(raw, path, encoding, errors)
        if not document and not named:
            skipped.append(str(path))
            continue
        if not document:
            raise DataError(f"{path} is empty; name a file that holds text")
        if left is not None:
            document = document[:left]
            left -= len(document)
        documents.append(document)
        names.append(str(path))
    if not documents:
        given = ", ".join(str(p) for p in paths)
        raise DataError(
            f"{given} holds no text ({len(skipped)} empty or binary files); "
            "name files or folders that hold text"
        )
    return Text(documents, names, skipped)


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


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error


def _has_zeros(encoding: str) -> bool:
    """Whether plain letters hold zero bytes in an encoding, as in UTF-16."""
    try:
        return b"\0" in "a".encode(encoding)
    except (LookupError, ValueError):  # no such encoding, which `_decode` reports
        return False


def _decode(raw: bytes, path: Path, encoding: str, errors: str) -> str:
    try:
        text = raw.decode(encoding, errors)
    except UnicodeDecodeError as error:
        found = f"0x{raw[error.start]:02x}" if error.start < len(raw) else "the end of the file"
        raise DataError(
            f"{path}: byte offset {error.start} ({found}) is not {encoding}; "
            "give --encoding (for example latin-1), or --errors replace or ignore"
        ) from None
    except (LookupError, ValueError) as error:
        raise DataError(
            f"{error}; --encoding takes a name such as utf-8, latin-1 or cp1252, "
            "--errors takes strict, replace or ignore"
        ) from None
    if "\0" in text[:_PEEK]:
        raise DataError(
            f"{path} holds NUL at character {text.index(chr(0))}, so it is binary or in another "
            "encoding (utf-16?); name a text file, or give --encoding"
        )
    return text.removeprefix("\ufeff").replace("\r\n", "\n")
