"""One file from an address: whole and compared, or not there at all.

What arrives goes into ``NAME.part``; beside it, ``NAME.part.json`` holds what the server said of
the file (RFC 9110: ETag or Last-Modified), so that a later call asks for the rest of the same file
alone (Range, If-Range). Only a file whose digest is right gets its name.

The standard library's client does what is needed; pooch, the field's choice for fetching data,
restarts a broken download.
"""

import hashlib
import http
import http.client
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from engram.errors import DataError
from engram.files import cannot

Show = Callable[[str, int, int], None]  # the name of a file, its bytes so far, and of how many

_PIECE = 1 << 18
_TRIES = 4  # in which nothing new comes, before it is given up
_SPARE = 1 << 20  # bytes that are left free on the disk
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # answers that another try may find changed


class _BrokenError(Exception):
    """The connection, or the server, failed in a way that may pass."""


class _UnreachableError(_BrokenError):
    """There was no connection at all."""


def download(
    url: str,
    target: Path,
    *,
    size: int,
    sha256: str | None = None,
    show: Show = lambda name, done, whole: None,
    pause: float = 1.0,
    patience: float = 30.0,
) -> str:
    """Download a file, or the rest of it.

    Args:
        url: Its address.
        target: Its name here; the folder is there.
        size: Its bytes.
        sha256: Its digest; None takes any.
        show: Called as bytes arrive.
        pause: Seconds before a second try; they double with each.
        patience: Seconds without a byte after which a connection counts as broken.

    Returns:
        The digest.

    Raises:
        DataError: For an address that cannot be reached or does not have the file, a file that is
            not the right one, a full disk; the downloaded part is kept, where it can be of use.
    """
    try:
        part = _Part(target, url)
        _need_room(target, size - part.size)
        while True:
            resumed = part.size > 0
            _receive(part, size, sha256 is not None, show, pause, patience)
            digest = digest_of(part.path)
            if sha256 in (None, digest):
                part.finish()
                return digest
            part.clear()
            if not resumed:  # else the fault may lie in what an earlier call left
                raise DataError(
                    f"{url} is damaged or has changed: its SHA-256 is {digest} instead of "
                    f"{sha256}; it was removed. Try again; if this repeats, put a correct "
                    f"{target.name} into {target.parent} by hand"
                )
    except OSError as error:
        raise DataError(cannot("write", target, error)) from error


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Part:
    """What came so far of a file, and what the server said of it."""

    def __init__(self, target: Path, url: str) -> None:
        self.target, self.url = target, url
        self.path = target.with_name(target.name + ".part")
        self._note = target.with_name(target.name + ".part.json")
        said: Any = None
        with suppress(OSError, ValueError):
            said = json.loads(self._note.read_text(encoding="utf-8"))
        known = isinstance(said, dict) and said.get("url") == url
        self.mark: str | None = said.get("mark") if known else None
        if not known:
            self.clear()

    @property
    def size(self) -> int:
        """Bytes that are there."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def begin(self, mark: str | None) -> None:
        """Start again, with a file that the server marks so."""
        self.clear()
        self.mark = mark
        self._note.write_text(json.dumps({"url": self.url, "mark": mark}), encoding="utf-8")

    def clear(self) -> None:
        """Forget all of it."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.mark = None

    def finish(self) -> None:
        """Give the file its name."""
        with open(self.path, "rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, self.target)
        self.clear()


def _receive(
    part: _Part, size: int, known: bool, show: Show, pause: float, patience: float
) -> None:
    """Get all that is missing, with some patience for connections that break."""
    if part.size > size or (part.size == size and not known):  # nothing can tell that it is right
        part.clear()
    first = most = part.size
    idle = 0
    while part.size < size:
        try:
            _ask(part, size, known, show, patience)
            continue
        except _BrokenError as broken:
            most, idle = max(most, part.size), 0 if part.size > most else idle + 1
            hopeless = isinstance(broken, _UnreachableError) and part.size == first
            if hopeless or idle >= _TRIES:
                raise _given_up(part, size, broken) from broken
        time.sleep(pause * 2**idle)


def _given_up(part: _Part, size: int, broken: _BrokenError) -> DataError:
    kept = f"the downloaded part is kept ({part.size:,} of {size:,} bytes)"
    return DataError(
        f"{broken}; {kept if part.size else 'nothing was changed'}. Try again when the network is "
        f"available, or get {part.url} in another way and put it into {part.target.parent} as "
        f"{part.target.name}; the same command continues from there"
    )


def _ask(part: _Part, size: int, known: bool, show: Show, patience: float) -> None:
    """Ask once for what is missing, and write what comes."""
    headers = {"User-Agent": "engram", "Accept-Encoding": "identity"}
    have = part.size
    if have and (part.mark is not None or known):  # else nothing would tell another file's rest
        headers["Range"] = f"bytes={have}-"
        if part.mark is not None:
            headers["If-Range"] = part.mark
    with _opened(part, Request(part.url, headers=headers), patience) as answer:
        if urlsplit(part.url).scheme == "https" and urlsplit(answer.url).scheme != "https":
            raise DataError(
                f"{part.url} redirects to {answer.url}, which is not encrypted; it "
                "was not downloaded"
            )
        begins, whole = _extent(answer, size)
        if begins not in (0, have):
            part.clear()
            raise _BrokenError(f"{part.url} answered with a different range than was requested")
        if whole != size:
            part.clear()
            raise _another(part, f"{whole:,} bytes", size)
        if begins == 0:
            part.begin(_mark(answer))
        _write(part, answer, size, show)


def _another(part: _Part, has: str, size: int) -> DataError:
    return DataError(
        f"{part.url} has {has} now, and {size:,} bytes when it was listed: the file has changed "
        f"and was not kept; put the right one into {part.target.parent} as {part.target.name} by "
        "hand"
    )


def _opened(part: _Part, request: Request, patience: float) -> http.client.HTTPResponse:
    """The answer to a request."""
    host = urlsplit(part.url).netloc
    try:
        answer: http.client.HTTPResponse = urlopen(request, timeout=patience)
    except HTTPError as error:
        with error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.clear()
                raise _BrokenError(f"{part.url} does not have the rest of the file") from error
            said = f"{part.url} answers {error.code} ({error.reason})"
            if error.code in _PASSING:
                raise _BrokenError(said) from error
            raise DataError(
                f"{said}: the file is not available there, and nothing was changed; get "
                f"{part.target.name} in another way and put it into {part.target.parent}, and the "
                "same command continues from there"
            ) from error
    except URLError as error:  # there is no connection
        raise _UnreachableError(f"cannot reach {host} ({_said(error.reason)})") from error
    except (OSError, http.client.HTTPException) as error:  # there was one
        raise _BrokenError(f"{host} does not answer ({_said(error)})") from error
    return answer


def _said(error: object) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _extent(answer: http.client.HTTPResponse, size: int) -> tuple[int, int]:
    """Where the answer begins in the file, and how long the whole file is."""
    if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers["Content-Range"] or "")
        if found is None:
            return -1, size
        return int(found[1]), size if found[2] == "*" else int(found[2])
    length = answer.headers["Content-Length"] or ""
    return 0, int(length) if length.isdecimal() else size


def _mark(answer: http.client.HTTPResponse) -> str | None:
    """What tells this file from a later one at the same address; a weak ETag does not."""
    tag: str | None = answer.headers["ETag"]
    dated: str | None = answer.headers["Last-Modified"]
    return tag if tag and not tag.startswith("W/") else dated


def _write(part: _Part, answer: http.client.HTTPResponse, size: int, show: Show) -> None:
    done = part.size
    with open(part.path, "ab") as file:
        while done < size:
            show(part.target.name, done, size)
            try:
                piece = answer.read1(min(_PIECE, size - done))
            except (OSError, http.client.HTTPException) as error:
                raise _BrokenError(f"{part.url} ended early ({_said(error)})") from error
            if not piece:
                raise _BrokenError(f"{part.url} ended early")
            file.write(piece)
            done += len(piece)
    show(part.target.name, done, size)
    if answer.length is None and answer.read1(1):  # of a server that does not say how much it has
        part.clear()
        raise _another(part, "more", size)


def _need_room(target: Path, needed: int) -> None:
    free = shutil.disk_usage(target.parent).free
    if free < needed + _SPARE:
        raise DataError(
            f"{target.parent} has {free:,} bytes free, and {target.name} needs {needed:,} more; "
            "free some space, or give another folder with --out"
        )
