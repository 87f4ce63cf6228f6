"""Child processes that have torch and Engram loaded: forked from one that loaded them once.

A process that begins afresh takes seconds to load torch, which is not what is tested.
"""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from engram.cli.main import main

_FORKS = "forkserver" in multiprocessing.get_all_start_methods()
_CONTEXT = multiprocessing.get_context("forkserver" if _FORKS else "spawn")
_CONTEXT.set_forkserver_preload(
    [
        *(
            "__main__",
            "engram.cli.train",
            "engram.tasks.registry",
            "engram.engine.compiled.operator",
        ),
        "torch._dynamo",  # torch's optimisers load it
    ]
)


def engram(*arguments: object, printed: Path) -> BaseProcess:
    """Start ``engram ARGUMENTS``; what it prints goes into a file.

    Returns:
        The process: it has a ``pid`` and an ``exitcode``, and can be waited for and killed.
    """
    return started(main, [*map(str, arguments)], printed)


def python(code: str, printed: Path) -> BaseProcess:
    """Start code that may import torch and Engram; what it prints goes into a file."""
    return started(_execute, code, printed)


def ended_well(process: BaseProcess, printed: Path, seconds: float = 300) -> str:
    """Wait for a process, see that it ended by itself and well, and give what it printed."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
    said = printed.read_text(errors="replace")
    assert process.exitcode == 0, f"status {process.exitcode}: {said[-2000:]}"
    return said


def started(work: Callable[[Any], int | None], argument: Any, printed: Path) -> BaseProcess:
    """Start a function with its argument; what it prints goes into a file."""
    printed.write_bytes(b"")
    process = _CONTEXT.Process(target=_work, args=(work, argument, str(printed)))
    process.start()
    return process


def _execute(code: str) -> None:
    exec(code, {"__name__": "__main__"})


def _work(work, argument, printed: str) -> None:
    file = os.open(printed, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    raise SystemExit(work(argument))
