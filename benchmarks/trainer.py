"""What the trainer costs over a bare torch loop with the same layers and steps.

Both train the same model on the same text in one process, in turns; the ratio is taken of the
medians of the turns. Engram's side is the real command's path with a run folder: logging, finite
checks, checkpoints and all, without evaluation, which a bare loop does not do.

    python -m benchmarks.trainer
"""

import argparse
import json
import platform
import statistics
import sysconfig
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.bare import BareModel, State, bare_update, chunks
from engram.tasks import fitting
from engram.tasks.language_model import TASK, make_data
from engram.tasks.outlines.language_model import LanguageModelSettings
from engram.training.run_folder import RunFolder

# Model and lanes, and updates that take some five seconds.
POINTS = [
    ({"hidden": 128, "layers": 2, "lanes": 50, "steps": 50}, 200),
    ({"hidden": 256, "layers": 1, "lanes": 64, "steps": 100}, 50),
    ({"hidden": 64, "layers": 1, "lanes": 32, "steps": 50}, 1000),
]


def measure(point: dict[str, int], text: str, turns: int, updates: int) -> dict[str, float]:
    settings = LanguageModelSettings(
        **point, max_updates=updates, epochs=1000, valid=0.0, test=0.0, shift=False, init="uniform"
    )
    data = make_data(settings, [text])
    stream = torch.from_numpy(data.train).long()
    batches = list(chunks(stream, point["lanes"], point["steps"]))
    ours, bare = [], []
    for turn in range(turns + 1):
        with tempfile.TemporaryDirectory() as folder:
            run = RunFolder.create(Path(folder) / "run", settings.plain(), ["benchmark"])
            _, outcome = fitting.fit(TASK, settings, data, run=run)
        torch.manual_seed(0)
        model = BareModel(data.preprocess.tokenizer.size, point["hidden"], point["layers"], 0.0)
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0, fused=True)
        state: State = None
        started = time.monotonic()
        for update in range(updates):
            inputs, targets = batches[update % len(batches)]
            _, state = bare_update(model, optimizer, inputs, targets, state, clip_norm=1.0)
        seconds = time.monotonic() - started
        if turn:  # the first turn warms up
            ours.append(outcome.seconds)
            bare.append(seconds)
    tokens = updates * point["lanes"] * point["steps"]
    return {
        "ours": tokens / statistics.median(ours),
        "bare": tokens / statistics.median(bare),
        "cost": statistics.median(ours) / statistics.median(bare) - 1.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the results there too")
    given = parser.parse_args()
    library = Path(sysconfig.get_paths()["stdlib"])
    text = "".join(p.read_text(encoding="utf-8") for p in sorted(library.glob("*.py")))[:2_000_000]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}")
    print("| layers × hidden | lanes × steps | bare torch | Engram | cost |")
    print("|---|---|---|---|---|")
    results = []
    for point, updates in POINTS:
        result = measure(point, text, given.turns, updates)
        results.append(point | result)
        print(
            f"| {point['layers']} × {point['hidden']} | {point['lanes']} × {point['steps']} "
            f"| {result['bare']:,.0f} /s | {result['ours']:,.0f} /s | {result['cost']:+.1%} |",
            flush=True,
        )
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
