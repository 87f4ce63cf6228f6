"""What shipped configurations reach on data, in what time, and what loading takes of it.

python -m benchmarks.results digits
python -m benchmarks.results sentiment --data DIR     # of stsa.binary.{train,dev,test}
python -m benchmarks.results speakers --data DIR      # of JapaneseVowels_{TRAIN,TEST}.ts
python -m benchmarks.results chorales folk --data DIR # of JSB_Chorales.mat, Nottingham.mat
python -m benchmarks.results passengers temperatures sunspots --data DIR  # of three CSV files
python -m benchmarks.results adding copy temporal-order latch reber dyck mackey-glass narma10
python -m benchmarks.results digits --seeds 3
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from engram.cli.flags import shipped_configurations
from engram.tasks import fitting
from engram.tasks.registry import TASKS
from engram.tasks.task import Data, Task

_BATCHES = 200  # that are made to time their making


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        task: Its name.
        configuration: The shipped one.
        files: Settings that name the data, of the folder they lie in.
        measure: The figure that counts.
    """

    task: str
    configuration: str
    files: Callable[[Path], dict[str, Any]]
    measure: str


def _sentiment(folder: Path) -> dict[str, Any]:
    parts = {"data": "train", "valid_data": "dev", "test_data": "test"}
    return {name: [str(folder / f"stsa.binary.{end}")] for name, end in parts.items()}


def _speakers(folder: Path) -> dict[str, Any]:
    parts = {"data": "TRAIN", "test_data": "TEST"}
    return {name: [str(folder / f"JapaneseVowels_{end}.ts")] for name, end in parts.items()}


def _series(configuration: str, file: str) -> Row:
    return Row("forecast", configuration, lambda folder: {"data": [str(folder / file)]}, "MASE")


def _synthetic(configuration: str, measure: str) -> Row:
    return Row("synthetic", configuration, lambda _: {}, measure)


ROWS = {
    "digits": Row("classify", "digits", lambda _: {}, "accuracy"),
    "reviews": Row("classify", "reviews", lambda _: {}, "accuracy"),
    "sentiment": Row("classify", "sentiment", _sentiment, "accuracy"),
    "speakers": Row("classify", "speakers", _speakers, "accuracy"),
    "passengers": _series("passengers", "airline-passengers.csv"),
    "temperatures": _series("temperatures", "daily-min-temperatures.csv"),
    "sunspots": _series("sunspots", "monthly-sunspots.csv"),
    "adding": _synthetic("adding", "within 0.04"),
    "copy": _synthetic("copy", "recalled"),
    "temporal-order": _synthetic("temporal-order", "accuracy"),
    "latch": _synthetic("latch", "latched"),
    "reber": _synthetic("reber", "strings right"),
    "dyck": _synthetic("dyck", "closing accuracy"),
    "mackey-glass": _synthetic("mackey-glass", "NRMSE"),
    "narma10": _synthetic("narma10", "NRMSE"),
    "chorales": Row(
        "polyphonic",
        "chorales",
        lambda folder: {"data": str(folder / "JSB_Chorales.mat")},
        "NLL per step",
    ),
    "folk": Row(
        "polyphonic",
        "folk",
        lambda folder: {"data": str(folder / "Nottingham.mat")},
        "NLL per step",
    ),
}


def measured(row: Row, folder: Path, seed: int) -> dict[str, float]:
    """Train once with a seed, and measure."""
    task = TASKS[row.task]
    path = shipped_configurations(row.task)[row.configuration]
    values = yaml.safe_load(path.read_text(encoding="utf-8")) | row.files(folder)
    settings: Any = task.settings.checked(values | {"seed": seed})
    data = task.read(settings)
    trained, outcome = fitting.fit(task, settings, data)
    parts = {"valid": data.valid, "test": data.test}
    step = outcome.seconds / outcome.updates
    return {
        **{
            name: task.evaluate(trained, part).measures[row.measure] for name, part in parts.items()
        },
        "seconds": outcome.seconds,
        "updates": outcome.updates,
        "loading": seconds_a_batch(task, settings, data) / step,
    }


def seconds_a_batch(task: Task, settings: Any, data: Data) -> float:
    """The mean time that making a batch takes."""
    batches = task.source(settings, data).batches(0)
    started = time.perf_counter()
    made = sum(1 for _ in islice(batches, _BATCHES))
    return (time.perf_counter() - started) / made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="+", choices=ROWS)
    parser.add_argument("--data", type=Path, default=Path("."), help="the folder of the files")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    for name in given.rows:
        row = ROWS[name]
        trials = [measured(row, given.data, seed) for seed in range(given.seeds)]
        mean = {key: statistics.mean(each[key] for each in trials) for key in trials[0]}
        every = ", ".join(f"{each['test']:.4f}" for each in trials)
        print(
            f"| `engram train {row.task} --config {row.configuration}` | {row.measure} "
            f"| {mean['valid']:.4f} | {mean['test']:.4f} ({every}) | {mean['seconds']:.0f} s "
            f"| {mean['updates']:,.0f} | {mean['loading']:.1%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
