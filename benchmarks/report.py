"""Report: the machine and the results, as Markdown and as JSON."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from benchmarks.figures import Figure
from benchmarks.measure import Timing
from benchmarks.points import Point
from benchmarks.quiet import others_for_a_second
from benchmarks.rows import Goal, RowResult
from engram.engine.cpu.codegen.target import host

_PACKAGES = (
    "engram",
    "torch",
    "numpy",
    "llvmlite",
    "torchrecurrent",
    "onnx",
    "onnxruntime",
    "reservoirpy",
)


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "platform": platform.platform(),
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "others_busy_cores_before": others_for_a_second(),
        "vectors": torch.backends.cpu.get_cpu_capability() + (" and AMX" if host().matrix else ""),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def heading(about: dict[str, Any], pairs: int) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    return (
        f"{about['cpu']}, {about['cores']} cores, {about['threads']} threads, "
        f"{about['vectors']}; {about['platform']}\n\nPython {about['python']}, {versions}\n\n"
        f"Medians of {pairs} pairs in turns. A ratio is the peer's time over Engram's, followed by "
        "both times; † marks one during which something else kept the machine busy."
    )


def row_tables(results: Iterable[RowResult]) -> str:
    """One table for each heading; the rows of a heading have the same points."""
    tables = []
    for title, group in groupby(results, key=lambda result: result.row.table):
        rows = list(group)
        points = list(rows[0].timings)
        head = ["B, T, I, H", "goal: mean, each", "geometric mean", "worst", *map(str, points)]
        body = [_row_cells(result, points) for result in rows]
        tables.append(f"## {title}\n\n{_table([*head, 'verdict'], body)}")
    return "\n\n".join(tables)


def figure_table(title: str, figures: list[Figure]) -> str:
    body = [
        [figure.what, _goal_of_figure(figure), _number(figure.value, figure.unit), figure.verdict]
        for figure in figures
    ]
    return f"## {title}\n\n{_table(['what', 'goal', 'measured', 'verdict'], body)}"


def _row_cells(result: RowResult, points: list[Point]) -> list[str]:
    calls = result.row.calls
    times = [_times(result.timings[point], calls(point)) for point in points]
    means = [f"{result.mean:.2f}", f"{result.worst:.2f}"]
    return [result.row.title, _goal(result.row.goal), *means, *times, result.verdict]


def _times(timing: Timing, calls: int) -> str:
    """The ratio, and the times of both sides; marked where they are doubtful."""
    peer, ours = (_duration(seconds / calls) for seconds in (timing.peer, timing.ours))
    return f"{timing.ratio:.2f}{' †' if timing.disturbed else ''} ({peer} : {ours})"


def _duration(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} µs"


def _goal(goal: Goal | None) -> str:
    if goal is None:
        return "none"
    return f"{'≤ ' if goal.upper else ''}{goal.mean:g}, {goal.point:g}"


def _goal_of_figure(figure: Figure) -> str:
    if figure.goal is None:
        return "none"
    return f"{'≤' if figure.upper else '≥'} {_number(figure.goal, figure.unit)}"


def _number(value: float, unit: str) -> str:
    shown = f"{value:.3g}" if value < 100 else f"{value:,.0f}"
    return f"{shown} {unit}".rstrip()


def _table(head: list[str], body: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
