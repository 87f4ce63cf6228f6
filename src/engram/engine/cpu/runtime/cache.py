"""Cache: object files on disk, so that a kernel is compiled once on a machine."""

import hashlib
import os
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

from engram.errors import EngramWarning, RunError
from engram.files import write_atomically

_DIGEST_BYTES = 32


def cache_folder() -> Path:
    """``ENGRAM_CACHE``, or ``engram`` in the user's folder for caches."""
    named = os.environ.get("ENGRAM_CACHE")
    if named:
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "engram"


def cached(key: str, make: Callable[[], bytes]) -> tuple[bytes, bool]:
    """Give the bytes that belong to a key, from the disk or made now; says whether from the disk.

    A damaged entry is made again. Where the folder cannot be written, that is said once, and the
    bytes are made in each process.
    """
    path = cache_folder() / "kernels" / f"{hashlib.sha256(key.encode()).hexdigest()}.o"
    known = _read(path)
    if known is not None:
        return known, True
    made = make()
    try:
        write_atomically(path, hashlib.sha256(made).digest() + made, durable=False)
    except RunError as fault:
        _warn_once(str(fault))
    return made, False


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return body if hashlib.sha256(body).digest() == digest else None


@cache
def _warn_once(fault: str) -> None:
    warnings.warn(
        f"compiled cells are not kept on disk: {fault}; each process compiles them again "
        "(set ENGRAM_CACHE to a folder that can be written)",
        EngramWarning,
        stacklevel=4,
    )
