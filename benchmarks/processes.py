"""Processes: what needs a process of its own to be measured: first use, imports, memory."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import CELLS, Figure
from benchmarks.points import POINTS, Point

_ROOT = Path(__file__).resolve().parents[1]
_MEMORY_POINTS = (POINTS[3], POINTS[4])
_MIB = 1024 * 1024


def first_use(pairs: int, *, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """A cell's first training step where nothing is cached, and where its kernels are."""
    figures = []
    for name in list(CELLS)[: 1 if quick else None]:
        compiled, cached = [], []
        for _ in range(_turns(pairs)):
            with tempfile.TemporaryDirectory() as folder:
                compiled.append(_child("first-use", name, cache=folder))
                cached.append(_child("first-use", name, cache=folder))
        fresh, known = statistics.median(compiled), statistics.median(cached)
        say(f"first-use, {name}: {fresh:.2f} s, from the cache {known:.3f} s")
        figures.append(Figure(f"{name}, compiled", fresh, "s", 1.0))
        figures.append(Figure(f"{name}, from the cache", known, "s", 0.1))
    return figures


def imports(pairs: int, *, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """What an import adds to ``import torch``."""
    figures = []
    for name, what in {"engram": "import engram", "engram:LSTM": "engram.LSTM loaded"}.items():
        seconds = statistics.median(_child("import", name) for _ in range(_turns(pairs)))
        say(f"import, {what}: {seconds:.3f} s")
        figures.append(Figure(f"{what}, after import torch", seconds, "s", 0.3))
    return figures


def memory(pairs: int, *, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """The peak of an LSTM's training steps, against nn.LSTM's."""
    figures = []
    for point in _MEMORY_POINTS[: 1 if quick else None]:
        samples: dict[str, list[float]] = {"torch": [], "engram": []}
        for _ in range(_turns(pairs)):
            for side in samples:
                samples[side].append(_child("memory", side, *_sizes(point)))
        peer, ours = (statistics.median(samples[side]) / _MIB for side in ("torch", "engram"))
        say(f"memory at ({point}): {ours:.0f} MiB, torch {peer:.0f} MiB")
        figures.append(Figure(f"nn.LSTM at ({point})", peer, "MiB"))
        figures.append(Figure(f"LSTM at ({point})", ours, "MiB"))
        figures.append(Figure(f"LSTM at ({point}), of nn.LSTM's", ours / peer, "×", 1.0))
    return figures


def _turns(pairs: int) -> int:
    """Processes are slow to start, and vary less than steps."""
    return min(pairs, 3)


def _sizes(point: Point) -> list[str]:
    return [str(size) for size in (point.batch, point.steps, point.inputs, point.hidden)]


def _child(*arguments: str, cache: str | None = None) -> float:
    """The number that a fresh process measures."""
    command = [sys.executable, "-m", "benchmarks.child", *arguments]
    # a process that keeps no bytecode would compile every source anew
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    if cache is not None:
        environment["ENGRAM_CACHE"] = cache
    done = subprocess.run(
        command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout)
