"""Commands in a child that is killed with SIGKILL at a file operation, or at a moment.

Children are forks, so that torch is imported once; the parent must not have trained anything.
"""

import contextlib
import io
import mmap
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from engram.cli.main import main

_EVENTS = {"os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.truncate"}
_CLOCK = {"timings.jsonl"}  # what depends on when something happened
_NOT_OURS = {".lock", "environment.json"}


def run(
    argv: Sequence[str],
    folder: Path,
    *,
    operation: int | None = None,
    seconds: float | None = None,
) -> tuple[int, int, str]:
    """Run a command in a child.

    Args:
        argv: What follows ``engram``.
        folder: Where file operations are counted.
        operation: Kill the child before this one of them, from 0.
        seconds: Kill the child after so long.

    Returns:
        The exit status, which is -9 where the child was killed; how many operations it began; and
        what it printed.
    """
    shared = mmap.mmap(-1, 1 << 16)
    child = os.fork()
    if child == 0:
        status = 70
        try:
            status = _in_child(argv, folder, operation, shared)
        except BaseException:
            shared[8 : 8 + 60_000] = traceback.format_exc().encode()[-60_000:].ljust(60_000)
        finally:
            os._exit(status)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, raw = os.waitpid(child, 0)
    status = os.waitstatus_to_exitcode(raw)
    printed = shared[8 : 8 + 60_000].rstrip(b"\0 ").decode(errors="replace")
    return status, int.from_bytes(shared[:8], "little"), printed


def _in_child(argv: Sequence[str], folder: Path, operation: int | None, shared: mmap.mmap) -> int:
    torch.set_num_threads(1)
    count = 0
    root = str(folder)

    def begun(path: object) -> None:
        nonlocal count
        if threading.current_thread() is threading.main_thread() and str(path).startswith(root):
            if count == operation:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
            shared[:8] = count.to_bytes(8, "little")

    def watch(event: str, arguments: tuple) -> None:
        writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
        if event in _EVENTS or (event == "open" and arguments[2] & writes):
            begun(arguments[0])

    fsync = os.fsync

    def watched_fsync(file: int) -> None:
        begun(os.readlink(f"/proc/self/fd/{file}"))
        fsync(file)

    os.fsync = watched_fsync
    sys.addaudithook(watch)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            status = main(list(argv))
        except SystemExit as end:
            status = int(end.code or 0)
    text = printed.getvalue().encode()[-60_000:]
    shared[8 : 8 + len(text)] = text
    return status


def content(folder: Path) -> dict[str, bytes]:
    """Everything in a run folder that does not depend on the clock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in _CLOCK | _NOT_OURS
    }


def differences(
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
        Names of files that differ, or what went wrong; empty where all is well.
    """
    status, _, printed = run(train(killed), killed, operation=operation, seconds=seconds)
    if status not in (0, -signal.SIGKILL):
        return [f"killed training: {status} {printed[-400:]}"]
    begun = (killed / "config.yaml").exists()
    status, _, printed = run(["resume", str(killed)] if begun else train(killed), killed)
    if status != 0:
        return [f"after the kill: {status} {printed[-400:]}"]
    one, other = content(whole), content(killed)
    # what was typed names the folder
    one.pop("command.txt"), other.pop("command.txt", None)
    return [name for name in sorted(one | other) if one.get(name) != other.get(name)]
