"""Containers: files that another program compressed, read as if they were not.

What a file is shows in its first bytes, whatever its name.
"""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from engram.errors import DataError

SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""Endings that a container may add to a name."""

# What may come of a file: more is refused where it is also out of all proportion to its size.
_MOST, _RATIO = 1 << 32, 1200
_BUFFER = 1 << 16
_ZIP = b"PK\x03\x04"
_OFFICE = ("[Content_Types].xml", "mimetype")


def _zstd(file: BinaryIO) -> Any:
    import pyarrow

    return pyarrow.CompressedInputStream(file, "zstd")


_OPENERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"\xfd7zXZ\0": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": _zstd,
}


def inner_suffix(path: Path) -> str:
    """The suffix of what a file contains, in small letters: ``.csv`` for ``a.csv.gz``.

    Raises:
        DataError: For a zip archive of no file or of several.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip" and path.is_file():
        with path.open("rb") as file:
            if file.read(4) == _ZIP:
                return Path(_member(path)).suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in SUFFIXES else suffix


@contextmanager
def unpacked(path: Path) -> Iterator["BufferedReader[Any]"]:
    """The bytes of a file, or of what it contains where it is compressed.

    Raises:
        DataError: For a damaged container, one of several files, and one that unpacks to over
            1,200 times its size and 4 GiB.
        OSError: For a file that cannot be read.
    """
    with BufferedReader(open(path, "rb", buffering=0), _BUFFER) as file:
        head = file.peek(16)
        opener = _opener(head)
        if head.startswith(_ZIP):
            with _opened_member(path) as member:
                yield BufferedReader(_Bounded(path, member), _BUFFER)
        elif opener is not None:
            yield BufferedReader(_Bounded(path, opener(file)), _BUFFER)
        else:
            yield file


@contextmanager
def _opened_member(path: Path) -> Iterator[Any]:
    name = _member(path)
    with zipfile.ZipFile(path) as archive:
        try:
            member = archive.open(name)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise DataError(f"{path} cannot be unpacked ({error}); unpack it yourself") from None
        with member:
            yield member


def is_packed(head: bytes) -> bool:
    """Whether bytes are the first ones of a container."""
    return head.startswith(_ZIP) or _opener(head) is not None


def _opener(head: bytes) -> Callable[[BinaryIO], Any] | None:
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":  # the text BZh is a text
        return bz2.BZ2File
    return next((own for sign, own in _OPENERS.items() if head.startswith(sign)), None)


def _member(path: Path) -> str:
    """The one file of a zip archive.

    Raises:
        DataError: For none or several, and an office document.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is damaged ({error}); restore it") from None
    if any(name in _OFFICE for name in names):
        raise DataError(f"{path} is an office document; save it as .csv")
    names = [n for n in names if not Path(n).name.startswith(".") and not n.startswith("__MACOSX")]
    if len(names) != 1:
        shown = ", ".join(names[:5]) or "nothing"
        raise DataError(f"{path} contains {len(names)} files ({shown}); unpack it and name one")
    return names[0]


class _Bounded(io.RawIOBase):
    """Reads a container, and stops where it would fill every disk."""

    def __init__(self, path: Path, source: Any) -> None:
        self._path = path
        self._source = source
        self._left = max(_MOST, _RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Some bytes; as many as are asked for, unless the end comes before."""
        parts: list[bytes] = []
        wanted = self._left + 1 if size is None or size < 0 else size
        try:
            while wanted and (part := self._source.read(min(wanted, 1 << 24))):
                parts.append(bytes(part))
                wanted -= len(part)
                self._left -= len(part)
                if self._left < 0:
                    raise DataError(
                        f"{self._path} of {self._path.stat().st_size:,} bytes unpacks to too much; "
                        "unpack it, and give a smaller file"
                    )
        except (EOFError, OSError, lzma.LZMAError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{self._path} is damaged ({error}); restore it") from None
        return b"".join(parts)

    def readinto(self, buffer: Any) -> int:
        """As `io.RawIOBase` has it."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)
