"""Writing files so that a reader sees the old content or the new one, and never a part."""

import json
import math
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from engram.errors import RunError


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file through a temporary one beside it.

    Args:
        path: The file; its folder is made if need be.
        content: All of its bytes.
        durable: Wait until the content is on the disk (fsync) before the name is switched.

    Raises:
        RunError: For a full disk, missing permission and the like; the old file is left as it was.
    """
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        _discard(temporary)
        raise RunError(cannot("write", path, error)) from error


def copy_atomically(source: Path, target: Path) -> None:
    """Give a file's content a second name, as a link where the file system has links.

    Safe for files that are only ever replaced and never changed in place.

    Raises:
        RunError: If it cannot be written; an old target is left as it was.
    """
    temporary = _temporary(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        os.replace(temporary, target)
        temporary.unlink(missing_ok=True)  # renamed onto a link to the same content, it stays
    except OSError as error:
        _discard(temporary)
        raise RunError(cannot("write", target, error)) from error


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically; numbers as `with_numbers_of_json` has them.

    Raises:
        RunError: As `write_atomically`.
    """
    made = with_numbers_of_json(value)
    text = json.dumps(made, indent=1, ensure_ascii=False, allow_nan=False)
    # half a surrogate pair has no UTF-8, and its backslash form is what JSON calls it
    write_atomically(path, (text + "\n").encode("utf-8", "backslashreplace"))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        RunError: If it cannot be read, or is not valid JSON (with line and column).
    """
    try:
        return json.loads(read_text(path))
    except OSError as error:
        raise RunError(cannot("read", path, error)) from error
    except (ValueError, RecursionError) as error:
        raise RunError(
            f"{path} is damaged: {error}; restore it, or train again into a new folder"
        ) from error


def read_text(path: Path) -> str:
    """Read a file of UTF-8 text that Engram may have written.

    Raises:
        OSError: Where it cannot be read.
        ValueError: Where it is not UTF-8, or larger than any such file.
    """
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(f"it has {size:,} bytes, but at most {_MOST_BYTES:,} are read")
    return path.read_text(encoding="utf-8")


_MOST_BYTES = 1 << 28  # far above any description that is written, and still quick to read
_NAMED = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def with_numbers_of_json(value: Any) -> Any:
    """The value with ``"NaN"``, ``"Infinity"`` and ``"-Infinity"`` for what JSON has no number for.

    A measure that is undefined, such as an error that is divided by a constant series' own, stays
    readable by every reader of JSON.
    """
    if isinstance(value, dict):
        return {key: with_numbers_of_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [with_numbers_of_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def with_numbers_of_python(value: Any) -> Any:
    """Undo `with_numbers_of_json`, where no other text has such a name."""
    if isinstance(value, dict):
        return {key: with_numbers_of_python(each) for key, each in value.items()}
    if isinstance(value, list):
        return [with_numbers_of_python(each) for each in value]
    return _NAMED.get(value, value) if isinstance(value, str) else value


def cannot(verb: str, path: Path | str, error: OSError) -> str:
    """Say what could not be done with a file, why, and what to do about it."""
    remedies = {
        "Permission denied": "choose a location that you may use, or change its permissions",
        "No space left on device": "free some space; what was saved before is still good",
        "Disk quota exceeded": "free some space; what was saved before is still good",
        "Read-only file system": "choose a writable location",
        "No such file or directory": "check the path",
        "Broken pipe": "the program that reads the output has ended",
        "Not a directory": "check the path; a part of it is a file",
    }
    reason = error.strerror or str(error)
    return f"cannot {verb} {path}: {reason}; {remedies.get(reason, 'check the path and the disk')}"


TEMPORARY = ".*.tmp"
"""The names of files that are being written."""


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _discard(temporary: Path) -> None:
    """Remove what a failed write left; what made it fail may be in the way of this too."""
    with suppress(OSError):
        temporary.unlink()


def _sync_folder(folder: Path) -> None:
    """Make a renamed entry durable; not every system lets a folder be opened for this."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
