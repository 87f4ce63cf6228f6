"""Decoding: the bytes of a file as text, and what is said of files that are not text."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, TextIO

from engram.data.containers import is_packed, unpacked
from engram.errors import DataError
from engram.files import cannot

CHUNK = 1 << 20  # bytes that are read at once
LONGEST = 1 << 27  # characters of the longest line that is read as one
ANY_BYTES = "surrogateescape"  # for errors: each byte that is not text as a surrogate
_PEEK = 8192

_MARKS = {  # those of UTF-32 begin like those of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

# What a file is by its first bytes, and what to do with it.
_SIGNATURES = {
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive; unpack it",
    b"\xd0\xcf\x11\xe0": "is an office document; save it as .csv or .txt",
    b"%PDF-": "is a PDF document; save its text as .txt",
    b"{\\rtf": "is an RTF document; save it as plain text",
    b"PAR1\x15": "is a Parquet file; name it .parquet",
    b"\x89PNG": "is an image; give a text file",
    b"\xff\xd8\xff": "is an image; give a text file",
}


def foreign(head: bytes, encoding: str) -> str | None:
    """What a file is that begins with these bytes, and what to do; None where it may be text."""
    if has_zeros(encoding):
        return None
    for start, what in _SIGNATURES.items():
        if head.startswith(start):
            return what
    for name, zeros, others in (
        ("utf-16-le", head[1::2], head[::2]),
        ("utf-16-be", head[::2], head[1::2]),
    ):
        if len(head) >= 8 and zeros.count(0) > 0.6 * len(zeros) and b"\0" not in others:
            return f"is text in UTF-16; give --encoding {name}"
    return None


def by_mark(head: bytes, encoding: str) -> str:
    """The encoding that a byte order mark tells, where UTF-8 is said or nothing else."""
    if not _is_plain(encoding):
        return encoding
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), encoding)


def encoding_of(path: Path, encoding: str) -> str:
    """The encoding of a file by its byte order mark, or the one that was said.

    Raises:
        DataError: For a damaged container.
        OSError: For a file that cannot be read.
    """
    with unpacked(path) as file:
        return by_mark(file.peek(_PEEK), encoding)


def _is_plain(encoding: str) -> bool:
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8")


def has_zeros(encoding: str) -> bool:
    """Whether plain letters hold zero bytes in an encoding, as in UTF-16."""
    try:
        return b"\0" in "a".encode(encoding)
    except (LookupError, ValueError):  # no such encoding, which reading reports
        return False


@contextmanager
def opened(
    path: Path, encoding: str, errors: str = "strict", newline: str | None = None
) -> Iterator[TextIO]:
    """A file of text, without its byte order mark; what goes wrong while it is read is told.

    Raises:
        DataError: For a file that cannot be read, is not text in the encoding (with the offset of
            the byte), or is known to be something else by its first bytes.
    """
    try:
        _decoder(encoding, errors)
        with unpacked(path) as raw:
            head = raw.peek(_PEEK)[:_PEEK]
            encoding = by_mark(head, encoding)
            what = foreign(head, encoding)
            if what is not None:
                raise DataError(f"{path} {what}")
            own = "utf-8-sig" if _is_plain(encoding) else encoding
            with io.TextIOWrapper(raw, encoding=own, errors=errors, newline=newline) as file:
                yield file
    except LookupError as error:
        raise DataError(_unknown(error)) from None
    except UnicodeDecodeError as error:
        raise DataError(not_text(path, encoding, error)) from None
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error


def numbered_lines(path: Path, file: TextIO) -> Iterator[tuple[int, str]]:
    """The lines of an open file, numbered from 1.

    Raises:
        DataError: For one of over `LONGEST` characters.
    """
    number = 0
    while line := file.readline(LONGEST):
        number += 1
        if len(line) == LONGEST:
            raise DataError(f"{path} line {number} has more than {LONGEST >> 20} MB; split it")
        yield number, line


def not_text(path: Path, encoding: str, error: Exception) -> str:
    """What to say of a file that holds other bytes than text in an encoding."""
    try:
        for _ in decoded(path, encoding=encoding):
            pass
    except DataError as found:
        return str(found)
    return f"{path} is not text in {encoding}: {error}; give its encoding with --encoding"


def decoded(
    path: Path, *, encoding: str = "utf-8", errors: str = "strict", named: bool = True
) -> Iterator[str]:
    """The text of a file part by part, none of them empty, without its byte order mark.

    Lines end with a line feed, also where they end as on Windows in the file.

    Args:
        path: The file.
        encoding: Such as ``utf-8`` or ``latin-1``.
        errors: What to do with bytes that are not text in it: ``strict``, ``replace``, ``ignore``,
            or `ANY_BYTES`, with which a named file may be anything, and stays as it is.
        named: Whether a person named the file itself; another one that is not text gives nothing.

    Raises:
        DataError: For a file that cannot be read, is not text in the encoding (with the offset of
            the byte), or is known to be something else by its first bytes.
    """
    before = 0  # bytes that are done with
    began = False
    held = ""  # a carriage return, whose line feed may come in the next part
    try:
        with _bytes_of(path, unpack=named and errors != ANY_BYTES) as file:
            head = file.peek(_PEEK)[:_PEEK]
            if errors != ANY_BYTES:
                encoding = by_mark(head, encoding)
            decoder = _decoder(encoding, errors)
            what = _fault(head, encoding)
            plain = not what
            if what and named and errors == ANY_BYTES:
                what = None
            if what and named:
                raise DataError(f"{path} {what}")
            if what:
                return
            while True:
                raw = file.read(CHUNK)
                pending = len(decoder.getstate()[0])
                try:
                    text = decoder.decode(raw, final=not raw)
                except UnicodeDecodeError as error:
                    if before == pending and _lacks_mark(error.object, encoding):
                        width = codecs.lookup(encoding).name.upper()
                        raise UnicodeError(f"{width} stream does not start with BOM") from None
                    raise DataError(_misplaced(path, encoding, error, before - pending)) from None
                before += len(raw)
                if not began and text and plain:
                    text = text.removeprefix("\ufeff")
                    began = True
                if plain:
                    text = held + text
                    held = "\r" if raw and text.endswith("\r") else ""
                    text = (text[:-1] if held else text).replace("\r\n", "\n")
                if text:
                    yield text
                if not raw:
                    return
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error
    except LookupError as error:
        raise DataError(_unknown(error)) from None
    except UnicodeError as error:  # of codecs that raise nothing finer, such as utf-16
        raise DataError(
            f"{path} is not text in {encoding}: {error}; give its encoding with --encoding"
        ) from None


@contextmanager
def _bytes_of(path: Path, *, unpack: bool) -> Iterator["BufferedReader[Any]"]:
    """The bytes of a file as they are, or as a container holds them."""
    if unpack:
        with unpacked(path) as file:
            yield file
    else:
        with BufferedReader(open(path, "rb", buffering=0), _PEEK) as file:
            yield file


def lines_of(path: Path, *, encoding: str = "utf-8", errors: str = "strict") -> Iterator[str]:
    """The lines of a file one by one, without what ends them: a line feed, and nothing else.

    Args:
        path: The file.
        encoding, errors: As in `decoded`.

    Raises:
        DataError: For a file that cannot be read, is empty, or holds NUL; as the lines are taken.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}; give a text file")
    number = 0
    for number, line in enumerate(_lines(decoded(path, encoding=encoding, errors=errors)), start=1):
        if "\0" in line:
            raise DataError(
                f"{path}, line {number}: contains NUL, so it is damaged; restore the file"
            )
        yield line
    if not number:
        raise DataError(f"{path} is empty; give a file that contains text")


def _lines(parts: Iterator[str]) -> Iterator[str]:
    held: list[str] = []  # of a line whose end has not come
    for part in parts:
        first, *lines = part.split("\n")
        held.append(first)
        if lines:
            yield "".join(held)
            held = [lines.pop()]
            yield from lines
    last = "".join(held)
    if last:
        yield last


def _fault(head: bytes, encoding: str) -> str | None:
    """Why a file that begins with these bytes is not read as text."""
    if is_packed(head):
        return "is a compressed file; name it alone, or unpack it"
    if b"\0" in head and not has_zeros(encoding) and foreign(head, encoding) is None:
        return (
            f"contains NUL at byte {head.index(0)}, so it is binary or in another encoding "
            "(utf-16?); give a text file, or its encoding with --encoding"
        )
    return foreign(head, encoding)


def _decoder(encoding: str, errors: str) -> codecs.IncrementalDecoder:
    try:
        b"a".decode(encoding, "ignore")  # raises for what is no encoding of text
    except ValueError as error:  # such as a name with NUL
        raise LookupError(str(error)) from None
    codecs.lookup_error(errors)
    return codecs.getincrementaldecoder(encoding)(errors)


def _lacks_mark(raw: bytes, encoding: str) -> bool:
    """Whether the codec needs a byte order mark that is missing, however long the first chunk."""
    marks = {
        "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
        "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    }
    return not raw.startswith(marks.get(codecs.lookup(encoding).name, (b"",)))


def _unknown(error: Exception) -> str:
    return (
        f"{error}; --encoding takes a name such as utf-8, latin-1 or cp1252, "
        "--errors takes strict, replace or ignore"
    )


def _misplaced(path: Path, encoding: str, error: UnicodeDecodeError, before: int) -> str:
    raw = error.object
    found = f"0x{raw[error.start]:02x}" if error.start < len(raw) else "the end of the file"
    return (
        f"{path}: byte offset {before + error.start} ({found}) is not {encoding}; "
        "give --encoding (for example latin-1), or --errors replace or ignore"
    )
