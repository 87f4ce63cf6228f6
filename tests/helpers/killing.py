"""Trainings that are killed with SIGKILL at a file operation or at a moment, and then resumed."""

import mmap
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engram.cli.main import main
from helpers.children import started

CLOCK = {"timings.jsonl", "environment.json", ".lock"}
"""What depends on when and where something happened."""

_EVENTS = {"os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.truncate"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: Its exit status; -9 where it was killed.
        operations: File operations in the run folder that it began.
        printed: All that it said.
    """

    status: int | None
    operations: int
    printed: str


def run(
    argv: Sequence[str],
    folder: Path,
    *,
    operation: int | None = None,
    seconds: float | None = None,
    limit: float = 120,
) -> Ended:
    """Run a command in a child.

    Args:
        argv: What follows ``engram``.
        folder: Where file operations are counted.
        operation: Kill the child before this one of them, from 0.
        seconds: Kill the child after so long.
        limit: Seconds after which it is killed because it hangs.
    """
    printed, counter = folder.with_suffix(".printed"), folder.with_suffix(".count")
    counter.write_bytes(bytes(8))
    process = started(_counted, (list(argv), str(folder), str(counter), operation), printed)
    process.join(limit if seconds is None else seconds)
    hangs = seconds is None and process.exitcode is None
    process.kill()
    process.join()
    count = int.from_bytes(counter.read_bytes(), "little")
    said = printed.read_text(errors="replace")
    return Ended(None if hangs else process.exitcode, count, said)


def _counted(given: tuple[list[str], str, str, int | None]) -> int:
    argv, folder, counter, operation = given
    with open(counter, "r+b") as file:
        shared = mmap.mmap(file.fileno(), 8)
    count = 0

    def begun(path: object) -> None:
        nonlocal count
        if threading.current_thread() is threading.main_thread() and str(path).startswith(folder):
            if count == operation:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
            shared[:] = count.to_bytes(8, "little")

    def watch(event: str, arguments: tuple) -> None:
        if event in _EVENTS or (event == "open" and arguments[2] & _WRITES):
            begun(arguments[0])

    fsync = os.fsync

    def watched_fsync(file: int) -> None:
        begun(os.readlink(f"/proc/self/fd/{file}"))
        fsync(file)

    os.fsync = watched_fsync
    sys.addaudithook(watch)
    return main(argv)


def content(folder: Path) -> dict[str, bytes]:
    """All files of a run that do not depend on the clock, nor on the command that was typed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in CLOCK | {"command.txt"}
    }


def different(one: Path, other: Path) -> list[str]:
    """The names of files that differ."""
    first, second = content(one), content(other)
    return [name for name in sorted(first | second) if first.get(name) != second.get(name)]


def faults_of_a_kill(
    train: Callable[[Path], list[str]],
    whole: Path,
    killed: Path,
    *,
    operation: int | None = None,
    seconds: float | None = None,
) -> list[str]:
    """Kill a training, go on as its user would, and compare with one that nobody killed.

    Args:
        train: The command that trains into a folder.
        whole: The run that nobody killed.
        killed: Where the other one goes.
        operation, seconds: As `run` has them.

    Returns:
        What went wrong; empty where all is well.
    """
    ended = run(train(killed), killed, operation=operation, seconds=seconds)
    if ended.status not in (0, -signal.SIGKILL):
        return [f"the training ended with {ended.status}: {ended.printed[-400:]}"]
    begun = (killed / "config.yaml").exists()
    ended = run(["resume", str(killed)] if begun else train(killed), killed)
    if ended.status != 0:
        return [f"going on ended with {ended.status}: {ended.printed[-400:]}"]
    return different(whole, killed)
