"""Rows: what is measured against which peer, at which points, with which goal."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from benchmarks import contests
from benchmarks.measure import Contest, Timing, check_agreement, geometric_mean, time_in_turns
from benchmarks.points import POINTS, QUICK_POINTS, QUICK_STREAM_POINTS, STREAM_POINTS, Point
from engram import cells


@dataclass(frozen=True)
class Goal:
    """What a row's ratios shall reach; with ``upper``, what they shall not exceed.

    Attributes:
        mean: For the geometric mean of all points.
        point: For every point.
    """

    mean: float
    point: float
    upper: bool = False

    def met(self, ratio: float, bound: float) -> bool:
        return ratio <= bound if self.upper else ratio >= bound


@dataclass(frozen=True)
class Row:
    """One row of the suite.

    Attributes:
        name: By which it is chosen.
        title: What is measured.
        table: The heading under which it stands.
        contest: Makes both sides at a point.
        by_step: Whether times are shown for one of a point's steps and not for a call.
    """

    name: str
    title: str
    table: str
    goal: Goal | None
    contest: Callable[[Point], Contest]
    points: tuple[Point, ...] = POINTS
    quick_points: tuple[Point, ...] = QUICK_POINTS
    by_step: bool = False

    def calls(self, point: Point) -> int:
        """How many of what is shown one call does."""
        return point.steps if self.by_step else 1


@dataclass(frozen=True)
class RowResult:
    """What a row gave, by point."""

    row: Row
    timings: dict[Point, Timing]

    @property
    def mean(self) -> float:
        return geometric_mean(timing.ratio for timing in self.timings.values())

    @property
    def worst(self) -> float:
        ratios = [timing.ratio for timing in self.timings.values()]
        upper = self.row.goal is not None and self.row.goal.upper
        return max(ratios) if upper else min(ratios)

    @property
    def verdict(self) -> str:
        goal = self.row.goal
        if goal is None:
            return "no goal"
        short = sum(not goal.met(t.ratio, goal.point) for t in self.timings.values())
        faults = [] if goal.met(self.mean, goal.mean) else ["in the mean"]
        faults += [f"at {short} of {len(self.timings)} points"] if short else []
        return f"falls short {' and '.join(faults)}" if faults else "pass"

    def plain(self) -> dict[str, Any]:
        """For JSON; seconds a call."""
        points = [
            {"point": asdict(point), "ratio": timing.ratio, "peer": timing.peer}
            | {"ours": timing.ours, **asdict(timing)}
            for point, timing in self.timings.items()
        ]
        return {
            "name": self.row.name,
            "title": self.row.title,
            "goal": None if self.row.goal is None else asdict(self.row.goal),
            "geometric_mean": self.mean,
            "worst": self.worst,
            "verdict": self.verdict,
            "points": points,
        }


def measure_row(row: Row, pairs: int, *, quick: bool, say: Callable[[str], None]) -> RowResult:
    """Check and time a row at its points."""
    timings = {}
    for point in row.quick_points if quick else row.points:
        contest = row.contest(point)
        if contest.alike:
            check_agreement(contest, f"{row.name} at ({point})")
        timings[point] = time_in_turns(contest, pairs)
        mark = " (disturbed)" if timings[point].disturbed else ""
        say(f"{row.name} at ({point}): {timings[point].ratio:.2f}{mark}")
    return RowResult(row, timings)


TRAINING = "Training step (forward and backward)"
INFERENCE = "Inference"
STREAM = "One step of a stream (T steps in turn; times of one step)"
COSTS = "What extras cost (at most)"

ROWS = [
    Row(
        "lstm",
        "LSTM against nn.LSTM",
        TRAINING,
        Goal(1.5, 1.1),
        contests.training(cells.LSTM(), nn.LSTM),
    ),
    Row(
        "gru", "GRU against nn.GRU", TRAINING, Goal(3, 1.5), contests.training(cells.GRU(), nn.GRU)
    ),
    Row(
        "elman",
        "Elman against nn.RNN",
        TRAINING,
        Goal(2, 1.2),
        contests.training(cells.Elman(), nn.RNN),
    ),
    Row(
        "lengths",
        "LSTM, lengths T/3 to T, against nn.LSTM on a PackedSequence",
        TRAINING,
        Goal(3, 1.5),
        contests.different_lengths,
    ),
    Row(
        "float64",
        "LSTM against nn.LSTM, both float64",
        TRAINING,
        Goal(2.5, 1.5),
        contests.training(cells.LSTM(), nn.LSTM, dtype=torch.float64),
    ),
    Row(
        "bidirectional",
        "LSTM against nn.LSTM, 2 layers, bidirectional",
        TRAINING,
        Goal(2, 1.3),
        contests.training(cells.LSTM(), nn.LSTM, num_layers=2, bidirectional=True),
    ),
    Row(
        "peephole",
        "peephole LSTM against torchrecurrent",
        TRAINING,
        Goal(6, 2),
        contests.peephole,
    ),
    Row(
        "user-cell",
        "minimal gated unit against a loop in torch",
        TRAINING,
        Goal(6, 2),
        contests.user_cell,
    ),
    Row("lstmcell", "LSTM against nn.LSTMCell in a loop", TRAINING, None, contests.lstmcell_loop),
    Row("inference", "LSTM against nn.LSTM", INFERENCE, Goal(1.3, 1.0), contests.inference),
    Row(
        "onnxruntime",
        "LSTM against ONNX Runtime",
        INFERENCE,
        Goal(1.3, 1.0),
        contests.inference_onnxruntime,
    ),
    Row(
        "stream",
        "LSTM.step() against nn.LSTM at T = 1",
        STREAM,
        Goal(8, 3),
        contests.stream,
        STREAM_POINTS,
        QUICK_STREAM_POINTS,
        by_step=True,
    ),
    Row(
        "record",
        "record() over the forward pass, LSTM",
        COSTS,
        Goal(1.10, 1.10, upper=True),
        contests.recording_cost,
    ),
    *(
        Row(
            f"{name}-cost",
            f"{title} over LSTM, training step",
            COSTS,
            Goal(most, most, upper=True),
            contests.variant_cost(cell),
        )
        for name, title, most, cell in (
            ("peephole", "peephole LSTM", 1.15, cells.LSTM(peepholes=True)),
            ("coupled", "LSTM with coupled gates", 1.15, cells.LSTM(coupled=True)),
            ("layer-norm", "LSTM with layer norm", 1.4, cells.LSTM(layer_norm=True)),
            ("fgr", "full gate recurrence", 1.15, cells.LSTM(full_gate_recurrence=True)),
            ("slstm", "sLSTM", 1.15, cells.SLSTM()),
        )
    ),
]
