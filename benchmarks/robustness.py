"""``python -m benchmarks.robustness``: kill and damage runs of every task, and count what is hurt.

Kills at each file operation, kills at random moments, and damages to single fields and bytes; each
is followed by what a user would do. It takes hours for all; ``--tasks`` and the numbers choose.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

# the harness is that of the tests
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from helpers import damage, killing  # type: ignore[import-not-found]
from helpers.every_task import commands, fine_tuning  # type: ignore[import-not-found]


def main() -> int:
    """Run what the flags say, and print what was hurt."""
    flags = argparse.ArgumentParser(prog="python -m benchmarks.robustness", description=__doc__)
    flags.add_argument("--tasks", default="all", help="names with commas, finetune among them")
    flags.add_argument("--every", type=int, default=1, help="kill at every Nth file operation")
    flags.add_argument("--kills", type=int, default=100, help="kills at random moments, per task")
    flags.add_argument("--damages", type=int, default=400, help="damages of each kind, per task")
    flags.add_argument("--seed", type=int, default=0, help="of moments and damages")
    given = flags.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        trainings = commands(folder)
        trainings["finetune"] = fine_tuning(trainings, folder)
        names = list(trainings) if given.tasks == "all" else given.tasks.split(",")
        hurt = 0
        for name in names:
            done, faults, began = 0, 0, time.monotonic()
            for what in _attack(trainings[name], folder / name, given):
                done += 1
                if what:
                    faults += 1
                    print(f"{name}: {what}", flush=True)
            seconds = time.monotonic() - began
            print(f"{name}: {done} attacks, {faults} hurt, {seconds:.0f} s", flush=True)
            hurt += faults
    return 1 if hurt else 0


def _attack(training: list[str], folder: Path, given: argparse.Namespace) -> Iterator[str]:
    """What each attack did to a run; empty where it did nothing."""
    folder.mkdir(exist_ok=True)
    whole, killed, partial = (folder / name for name in ("whole", "killed", "partial"))

    def train(run: Path) -> list[str]:
        return [*training, "--run-dir", str(run)]

    began = time.monotonic()
    ended = killing.run(train(whole), whole)
    seconds = time.monotonic() - began
    if ended.status != 0:
        raise SystemExit(f"the training itself failed: {ended.printed}")
    draw = random.Random(given.seed)
    points = [("operation", n) for n in range(0, ended.operations, given.every)]
    moments = [("seconds", draw.uniform(0, seconds)) for _ in range(given.kills)]
    for kind, at in (*points, *moments):
        shutil.rmtree(killed, ignore_errors=True)
        faults = killing.faults_of_a_kill(train, whole, killed, **{kind: at})
        yield f"killed at {kind} {at}: {faults}" if faults else ""
    killing.run(train(partial), partial, operation=ended.operations * 2 // 3)
    data = training[training.index("--data") :][:2] if "--data" in training else []
    yield from damage.attacks(whole, partial, data, draw, given.damages)


if __name__ == "__main__":
    raise SystemExit(main())
