"""What each regulariser does on real sets that overfit: loss and figure of merit, train and test.

Each row changes one setting of a small plain model that is trained for a fixed number of epochs,
long enough to overfit; the last weights are measured, but for early stopping, which is a row.

    python -m benchmarks.regularisers sst2 --data DIR       # stsa.binary.{train,dev,test}
    python -m benchmarks.regularisers chorales --data FILE  # JSB_Chorales.mat
    python -m benchmarks.regularisers sst2 --data DIR --only none dropout --seeds 3
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engram.tasks import classify, fitting, polyphonic
from engram.tasks.task import Task, Trained

ROWS: dict[str, dict[str, Any]] = {
    "none": {},
    "L1": {"l1": 1e-5},
    "L2": {"l2": 1e-3},
    "elastic net": {"l1": 5e-6, "l2": 5e-4},
    "decoupled decay": {"weight_decay": 0.1},
    "dropout, inputs": {"dropout_input": 0.4},
    "dropout, outputs": {"dropout": 0.5},
    "variational dropout": {"dropout": 0.5, "variational": True},
    "recurrent dropout": {"recurrent_dropout": 0.4},
    "zoneout": {"zoneout": 0.2},
    "weight drop": {"weight_drop": 0.5},
    "embedding dropout": {"dropout_embedding": 0.4},
    "activation penalty": {"activation_penalty": 2.0},
    "temporal penalty": {"temporal_penalty": 1.0},
    "label smoothing": {"label_smoothing": 0.2},
    "weight averaging": {"averaging": "ema", "averaging_decay": 0.99},
    "early stopping": {"patience": 3},
    "transposition": {"transpose": 5},
}


@dataclass(frozen=True)
class Case:
    """A set, the plain model on it, and what is measured.

    Attributes:
        task: Whose model.
        settings: Of the plain model, given where the data lie.
        measure: Loss, and figure of merit, of a part.
        heads: What these are called.
        without: Rows that are not defined here.
    """

    task: Task
    settings: Callable[[Path], dict[str, Any]]
    measure: Callable[[Trained, Any], tuple[float, float]]
    heads: tuple[str, str]
    without: tuple[str, ...]


def sst2(data: Path) -> dict[str, Any]:
    files = {name: [str(data / f"stsa.binary.{end}")] for name, end in FILES.items()}
    return files | {
        "lowercase": True,
        "vocabulary": 7500,
        "embedding": 100,
        "hidden": 64,
        "pooling": "mean",
        "epochs": 6,
        "rate": 2e-3,
        "valid": 0.0,
    }


FILES = {"data": "train", "valid_data": "dev", "test_data": "test"}


def chorales(data: Path) -> dict[str, Any]:
    return {
        "data": str(data),
        "hidden": 200,
        "epochs": 60,
        "batch": 4,
        "rate": 5e-3,
        "forget_bias": 1.0,
    }


def accuracy(trained: Trained, part: Any) -> tuple[float, float]:
    measures = classify.evaluate(trained, part).measures
    return measures["loss"], measures["accuracy"]


def likelihood(trained: Trained, part: Any) -> tuple[float, float]:
    measures = polyphonic.evaluate(trained, part).measures
    return measures["NLL per step"], measures["frame accuracy"]


CASES = {
    "sst2": Case(classify.TASK, sst2, accuracy, ("loss", "accuracy"), ("transposition",)),
    "chorales": Case(
        polyphonic.TASK,
        chorales,
        likelihood,
        ("NLL per step", "frame accuracy"),
        ("embedding dropout", "label smoothing"),
    ),
}


def trial(case: Case, values: dict[str, Any]) -> dict[str, Any]:
    """Train once; without patience the last weights are kept."""
    settings = case.task.settings.checked(values)
    data = case.task.read(settings)
    kept = data if "patience" in values else type(data)(**{**vars(data), "valid": None})
    started = time.monotonic()
    trained, outcome = fitting.fit(case.task, settings, kept)
    seconds = time.monotonic() - started
    figures = {
        part: case.measure(trained, getattr(data, part)) for part in ("train", "valid", "test")
    }
    return {"updates": outcome.updates, "seconds": seconds} | figures


def table(case: Case, found: dict[str, list[dict[str, Any]]]) -> str:
    loss, merit = case.heads
    lines = [
        f"| regulariser | settings | train {loss} | test {loss} | train {merit} | test {merit} |",
        "|---|---|---|---|---|---|",
    ]
    for name, trials in found.items():
        cells = [
            statistics.mean(each[part][kind] for each in trials)
            for kind in (0, 1)
            for part in ("train", "test")
        ]
        changed = ", ".join(f"{k} {v}" for k, v in ROWS[name].items()) or "–"
        lines.append(f"| {name} | {changed} | " + " | ".join(f"{c:.3f}" for c in cells) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="write the trials there")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    case = CASES[given.case]
    found: dict[str, list[dict[str, Any]]] = {}
    for name in [name for name in given.only if name not in case.without]:
        for seed in range(given.seeds):
            values = case.settings(given.data) | ROWS[name] | {"seed": seed}
            found.setdefault(name, []).append(trial(case, values))
            print(name, seed, found[name][-1], flush=True)
    print("\n" + table(case, found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
