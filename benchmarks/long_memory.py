"""Long memory: the synthetic problems of the literature, with fixed seeds and a budget of updates.

Each row is a problem, a network and its remedies, tried from some seeds; a trial ends when it is
solved or when its budget is spent. Trials are kept in a folder: run again to go on, or to print the
table of what is there.

    python -m benchmarks.long_memory                        # all of it, hours on one thread
    python -m benchmarks.long_memory --only order-50        # rows whose names begin so
    python -m benchmarks.long_memory --seconds 200          # stop then; the next call goes on
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, one_hot

from engram.cells import make_cell
from engram.data.builtin.synthetic import (
    adding,
    copy,
    latch,
    latched,
    recalled,
    temporal_order,
    wrong_orders,
)
from engram.layers import Recurrent
from engram.training.clipping import Clipping, gradient_norm
from engram.training.groups import Group
from engram.training.optimizers import make_optimizer
from engram.training.penalties import Penalties
from engram.training.settings import TrainingSettings

Batch = tuple[Tensor, Tensor]
GLANCE = 2000  # sequences that tell whether it is worth while to test
TESTED = 10_000  # sequences that decide whether a trial has solved its problem


@dataclass(frozen=True)
class Problem:
    """What is drawn, what is to be learnt, and when it is.

    Attributes:
        draw: Gives inputs and targets of a number of sequences.
        build: Makes the network of a row, from the global random state.
        loss: Of what the network gave, and targets.
        measure: The figure of merit of the same.
        solved: Whether that is good enough.
        criterion: The same in words.
    """

    draw: Callable[[int, torch.Generator], Batch]
    build: Callable[["Row"], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor]
    measure: Callable[[Tensor, Tensor], float]
    solved: Callable[[float], bool]
    criterion: str


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: To choose it by.
        problem: What is to be learnt.
        layer: Cell, hidden units and initialisation.
        training: Fields of `TrainingSettings`: the remedies, the optimiser.
        remedies: The same in words.
        batch: Sequences an update.
        budget: Updates at most.
        check: Updates between looks at whether it is solved.
        seeds: Trials.
    """

    name: str
    problem: Problem
    layer: dict[str, Any]
    training: dict[str, Any]
    remedies: str
    batch: int
    budget: int
    check: int
    seeds: int


@dataclass
class Result:
    """How one trial ended: value is the figure of merit, NaN where the network diverged."""

    row: str
    seed: int
    solved: bool
    updates: int
    value: float
    seconds: float


class Reader(nn.Module):
    """A recurrent layer, and a head that reads its outputs, or the last of them alone."""

    def __init__(self, row: Row, inputs: int, outputs: int, *, at_end: bool) -> None:
        super().__init__()
        options = dict(row.layer)
        cell, hidden = make_cell(options.pop("cell")), options.pop("hidden")
        self.layers = Recurrent(cell, inputs, hidden, **options)
        self.head = nn.Linear(hidden, outputs)
        if options.get("init") == "normal":  # as in Pascanu et al.: all weights alike
            nn.init.normal_(self.head.weight, 0.0, 0.1)
            nn.init.zeros_(self.head.bias)
        self.at_end = at_end

    def forward(self, x: Tensor) -> Tensor:
        output, _ = self.layers(x)
        return self.head(output[-1] if self.at_end else output)


class Latch(nn.Module):
    """One tanh unit and what it is told in the first steps: Bengio, Simard, Frasconi (1994)."""

    def __init__(self, row: Row, informed: int = 3) -> None:
        super().__init__()
        self.layers = Recurrent(make_cell("elman"), 1, 1, bias=False)
        weights = dict(self.layers.named_parameters())
        nn.init.ones_(weights["weight_ih_l0"]).requires_grad_(False)
        nn.init.constant_(weights["weight_hh_l0"], row.layer["recurrent"])
        self.told = nn.Parameter(torch.empty(informed, 2).uniform_(-0.1, 0.1))

    def forward(self, x: Tensor) -> Tensor:
        noise, classes = x[:, :, 0], x[0, :, 1].long()
        told = nn.functional.pad(self.told[:, classes], (0, 0, 0, len(noise) - len(self.told)))
        output, _ = self.layers((noise + told).unsqueeze(2))
        return output[-1, :, 0]


def adding_problem(steps: int) -> Problem:
    return Problem(
        draw=lambda count, generator: adding(steps, count, generator),
        build=lambda row: Reader(row, 2, 1, at_end=True),
        loss=lambda given, wanted: mse_loss(given[:, 0], wanted),
        measure=lambda given, wanted: float(mse_loss(given[:, 0], wanted)),
        solved=lambda error: error <= 0.001,
        criterion="mean squared error ≤ 0.001",
    )


def copy_problem(lag: int) -> Problem:
    def draw(count: int, generator: torch.Generator) -> Batch:
        read, said = copy(lag, count, generator)
        return one_hot(read, 10).float(), said

    return Problem(
        draw=draw,
        build=lambda row: Reader(row, 10, 10, at_end=False),
        loss=lambda given, wanted: cross_entropy(given.flatten(0, 1), wanted.flatten()),
        measure=recalled,
        solved=lambda share: share >= 0.99,
        criterion="≥ 99 % of symbols recalled",
    )


def order_problem(steps: int) -> Problem:
    return Problem(
        draw=lambda count, generator: temporal_order(steps, count, generator),
        build=lambda row: Reader(row, 6, 4, at_end=True),
        loss=cross_entropy,
        measure=wrong_orders,
        solved=lambda wrong: wrong < 0.01,
        criterion="< 1 % wrong",
    )


def latch_problem(steps: int) -> Problem:
    def draw(count: int, generator: torch.Generator) -> Batch:
        noise, classes = latch(steps, count, generator)
        return torch.stack([noise, classes.float().expand_as(noise)], dim=2), classes

    return Problem(
        draw=draw,
        build=Latch,
        loss=lambda given, classes: (given - (1.6 * classes - 0.8)).square().mean() / 2,
        measure=latched,
        solved=lambda share: share >= 0.99,
        criterion="≥ 99 % latched",
    )


ELMAN = {"cell": "elman", "hidden": 50, "init": "normal"}
SGD = {"optimizer": "sgd", "rate": 0.01, "clip_norm": None}
CLIPPED = SGD | {"clip_norm": 1.0}


def order(steps: int, name: str, training: dict[str, Any], remedies: str) -> Row:
    """Temporal order as Pascanu, Mikolov, Bengio (2013) have it, but for the budget."""
    title = f"order-{steps}-{name}"
    problem = order_problem(steps)
    return Row(title, problem, ELMAN, training, remedies, 20, 200_000, 2000, 5)


ROWS = [
    Row(
        "adding-200",
        adding_problem(200),
        {"cell": "lstm", "hidden": 64, "init": "orthogonal", "chrono": 200},
        {"optimizer": "adam", "rate": 5e-3, "clip_norm": 1.0},
        "LSTM, chrono 200, clipping at 1, Adam 5e-3",
        batch=50,
        budget=10_000,
        check=250,
        seeds=3,
    ),
    Row(
        "copy-100",
        copy_problem(100),
        {"cell": "lstm", "hidden": 128, "init": "orthogonal", "chrono": 150},
        {"optimizer": "rmsprop", "rate": 3e-3, "smoothing": 0.9, "clip_norm": 1.0},
        "LSTM, chrono 150, clipping at 1, RMSProp 3e-3",
        batch=50,
        budget=20_000,
        check=250,
        seeds=3,
    ),
    order(50, "plain", SGD, "none"),
    order(50, "clip", CLIPPED, "clipping at 1"),
    order(50, "omega", CLIPPED | {"omega": 4.0}, "clipping at 1, Ω with weight 4"),
    order(100, "clip", CLIPPED, "clipping at 1"),
    order(100, "omega", CLIPPED | {"omega": 4.0}, "clipping at 1, Ω with weight 4"),
    *(
        Row(
            f"latch-{steps}",
            latch_problem(steps),
            {"cell": "elman", "hidden": 1, "recurrent": 1.25},
            SGD | {"rate": 0.05},
            "none",
            batch=20,
            budget=3000,
            check=500,
            seeds=20,
        )
        for steps in (5, 10, 15, 20, 25, 30, 40, 50, 60)
    ),
]


class Trial:
    """One network from one seed, which can be put aside and taken up again bit for bit."""

    def __init__(self, row: Row, seed: int) -> None:
        self.row, self.seed = row, seed
        torch.manual_seed(seed)
        settings = TrainingSettings(**row.training)
        self.model = row.problem.build(row)
        self.named = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.optimizer = make_optimizer([Group(list(self.named.values()))], settings)
        self.clipping, self.penalties = Clipping.of(settings), Penalties(self.model, settings)
        self.generator = torch.Generator().manual_seed(seed)
        self.updates, self.seconds = 0, 0.0

    def run(self, deadline: float) -> Result | None:
        """Train until the trial is solved, spent or diverged; None where time is up before."""
        row, started, before = self.row, time.monotonic(), self.seconds
        with self.penalties.watching():
            while True:
                value = self.measure(GLANCE)
                if row.problem.solved(value):
                    value = self.measure(TESTED)
                solved = row.problem.solved(value)
                self.seconds = before + time.monotonic() - started
                done = solved or not math.isfinite(value) or self.updates >= row.budget
                print(
                    f"{row.name} seed {self.seed}: update {self.updates:,}, {value:.4f} "
                    f"({self.seconds:,.0f} s){' solved' if solved else ''}",
                    flush=True,
                )
                if done:
                    return Result(
                        row.name, self.seed, solved, self.updates, value, round(self.seconds, 1)
                    )
                if time.monotonic() > deadline:
                    return None
                for _ in range(min(row.check, row.budget - self.updates)):
                    self.update()

    def update(self) -> None:
        inputs, targets = self.row.problem.draw(self.row.batch, self.generator)
        loss = self.row.problem.loss(self.model(inputs), targets)
        self.optimizer.zero_grad(set_to_none=True)
        penalised = self.penalties.added_to(loss)
        penalised.backward(retain_graph=self.penalties.needs_graph)
        self.penalties.after_backward(0)
        self.clipping.apply(self.named, gradient_norm(list(self.named.values())))
        self.optimizer.step()
        self.updates += 1

    @torch.no_grad()
    def measure(self, count: int) -> float:
        """The figure of merit on fresh sequences; NaN where a weight is not finite."""
        if not all(bool(p.isfinite().all()) for p in self.named.values()):
            return math.nan
        generator = torch.Generator().manual_seed(2**40 + self.seed * 10**8 + self.updates)
        parts = [1000] * (count // 1000)
        given, wanted = [], []
        for part in parts:
            inputs, targets = self.row.problem.draw(part, generator)
            given.append(self.model(inputs))
            wanted.append(targets)
        batched = 0 if given[0].dim() < 3 else 1
        return self.row.problem.measure(
            torch.cat(given, batched), torch.cat(wanted, wanted[0].dim() - 1)
        )

    def save(self, path: Path) -> None:
        torch.save(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
                "updates": self.updates,
                "seconds": self.seconds,
            },
            path,
        )

    def load(self, path: Path) -> None:
        kept = torch.load(path, weights_only=True)
        self.model.load_state_dict(kept["model"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.generator.set_state(kept["generator"])
        self.updates, self.seconds = kept["updates"], kept["seconds"]


def table(rows: list[Row], results: dict[str, list[Result]]) -> str:
    lines = [
        "| row | remedies | solved means | budget | solved | updates: median (all) | last value |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        found = results.get(row.name, [])
        if not found:
            continue
        solved = [each.updates for each in found if each.solved]
        median = f"{statistics.median(solved):,.0f}" if solved else "–"
        every = ", ".join(f"{u:,}" for u in solved[:5]) + (", …" if len(solved) > 5 else "")
        values = sorted(each.value for each in found)
        span = f"{values[0]:.4f} to {values[-1]:.4f}" if len(values) > 1 else f"{values[0]:.4f}"
        lines.append(
            f"| {row.name} | {row.remedies} | {row.problem.criterion} | {row.budget:,} "
            f"| {len(solved)} of {len(found)} | {median} ({every}) | {span} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[""], help="rows whose names begin so")
    parser.add_argument("--seeds", type=int, help="trials of each row, other than its own number")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long")
    parser.add_argument("--folder", type=Path, default=Path("runs/long-memory"))
    parser.add_argument("--json", type=Path, help="write the results there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + given.seconds
    rows = [row for row in ROWS if row.name.startswith(tuple(given.only))]
    results: dict[str, list[Result]] = {}
    left = 0
    for row in rows:
        for seed in range(given.seeds or row.seeds):
            stem = given.folder / f"{row.name}-{seed}"
            result, kept = stem.with_suffix(".json"), stem.with_suffix(".pt")
            if not result.exists() and time.monotonic() < deadline:
                trial = Trial(row, seed)
                if kept.exists():
                    trial.load(kept)
                ended = trial.run(deadline)
                trial.save(kept)
                if ended is not None:
                    result.write_text(json.dumps(asdict(ended)))
            if result.exists():
                found = Result(**json.loads(result.read_text()))
                results.setdefault(row.name, []).append(found)
            else:
                left += 1
    print(table(rows, results))
    if given.json:
        ended_ones = [asdict(each) for found in results.values() for each in found]
        given.json.write_text(json.dumps(ended_ones, indent=1))
    if left:
        print(f"{left} trials are not done; run the same command again to go on")
    return 3 if left else 0


if __name__ == "__main__":
    raise SystemExit(main())
