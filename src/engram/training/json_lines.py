"""Files of JSON lines that only grow, such as the metrics of a run."""

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from engram.errors import RunError
from engram.files import cannot, with_numbers_of_json, with_numbers_of_python

L = TypeVar("L")


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Add a line.

    Raises:
        RunError: If it cannot be written.
    """
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(with_numbers_of_json(line), allow_nan=False) + "\n")
    except OSError as error:
        raise RunError(cannot("write", path, error)) from error


def read_lines(path: Path, make: Callable[[Any, str], L]) -> list[L]:
    """All whole lines; none if the file does not exist.

    Args:
        path: The file.
        make: ``make(value, source)``: what a line is, and where it stands, for messages.

    Raises:
        RunError: For a damaged line, naming it.
    """
    if not path.exists():
        return []
    made = []
    lines = path.read_bytes().split(b"\n")[:-1]  # a part of a line has no newline yet
    for number, line in enumerate(lines, start=1):
        source = f"line {number} of {path}"
        try:
            value = with_numbers_of_python(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise RunError(f"{source} is damaged ({error}); remove it") from None
        made.append(make(value, source))
    return made


def check_sum(path: Path, size: int) -> int:
    """A sum of the first bytes of a file, which tells whether they were changed."""
    if not size:
        return 0
    with open(path, "rb") as file:
        return zlib.crc32(file.read(size))


def synced_size(path: Path) -> int:
    """The size of a file once all of it is on the disk; 0 where there is none.

    Raises:
        RunError: If it cannot be written.
    """
    if not path.exists():
        return 0
    try:
        with open(path, "ab") as file:
            os.fsync(file.fileno())
            return file.tell()
    except OSError as error:
        raise RunError(cannot("write", path, error)) from error
