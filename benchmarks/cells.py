"""Layers against their peers: times, the machine's limit, first use, memory, accuracy.

    python -m benchmarks.cells                             # all of it
    python -m benchmarks.cells --quick                     # key rows at few points, two minutes
    python -m benchmarks.cells --only lstm gru --pairs 5   # these rows
    python -m benchmarks.cells --json results.json         # and the results there, with the machine

Both sides run in this process, in turns, after it was checked that they compute the same. Tables
go to stdout, progress to stderr. The peers come with ``pip install '.[bench]'``.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.contests import THREADS
from benchmarks.figures import Figure, accuracy, share_of_limit
from benchmarks.processes import first_use, imports, memory
from benchmarks.quiet import MOST_OTHERS
from benchmarks.report import figure_table, heading, machine, row_tables
from benchmarks.rows import ROWS, Row, measure_row
from engram.training.memory import keep_freed_memory

FIGURES: dict[str, tuple[str, Callable[..., list[Figure]]]] = {
    "limit": ("The machine's limit", share_of_limit),
    "first-use": ("First training step of a cell in a process", first_use),
    "import": ("Import", imports),
    "memory": ("Peak memory of training steps", memory),
    "accuracy": ("Largest errors against float64", accuracy),
}
QUICK = (
    *("lstm", "gru", "elman", "lengths", "float64", "peephole", "user-cell"),
    *("inference", "onnxruntime", "stream", "first-use", "import", "accuracy"),
)


def say(text: str) -> None:
    print(f"[{time.monotonic() - _STARTED:5.0f} s] {text}", file=sys.stderr, flush=True)


_STARTED = time.monotonic()


def chosen(given: argparse.Namespace) -> list[str]:
    """The names to measure."""
    if given.only:
        return list(given.only)
    return list(QUICK) if given.quick else [*(row.name for row in ROWS), *FIGURES]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*(row.name for row in ROWS), *FIGURES]
    parser.add_argument("--quick", action="store_true", help="key rows, three points, three pairs")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--pairs", type=int, help="samples of each side (7; quick: 3)")
    parser.add_argument("--json", type=Path, help="write the results there too")
    given = parser.parse_args()
    if given.pairs is not None and given.pairs < 1:
        parser.error("--pairs takes a number from 1")
    return given


def main() -> None:
    given = arguments()
    keep_freed_memory()  # for both sides
    torch.set_num_threads(THREADS)
    pairs = given.pairs or (3 if given.quick else 7)
    names = chosen(given)
    about = machine()
    if (about["others_busy_cores_before"] or 0.0) > MOST_OTHERS:
        say("something else is running: figures will be doubtful, measure on a quiet machine")

    rows: list[Row] = [row for row in ROWS if row.name in names]
    results = [measure_row(row, pairs, quick=given.quick, say=say) for row in rows]
    figures = {
        name: measure(pairs, quick=given.quick, say=say)
        for name, (_, measure) in FIGURES.items()
        if name in names
    }
    print(f"# Layers against their peers\n\n{heading(about, pairs)}")
    if results:
        print(f"\n{row_tables(results)}")
    for name, found in figures.items():
        print(f"\n{figure_table(FIGURES[name][0], found)}")
    if given.json:
        content = {
            "machine": about,
            "pairs": pairs,
            "rows": [result.plain() for result in results],
            "figures": {
                name: [asdict(figure) | {"verdict": figure.verdict} for figure in found]
                for name, found in figures.items()
            },
        }
        given.json.write_text(json.dumps(content, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
