"""Figures: what is no ratio of two times: the share of the machine's limit, and accuracy."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg.blas
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchmarks.contests import THREADS, layer_step, make_layer
from benchmarks.measure import Contest, Side, time_in_turns
from benchmarks.points import POINTS, Point, sequences
from engram import cells
from engram.cells import Cell

_SIDE = 1024  # of the square product that shows the machine's limit
_TRIES = 20
_ACCURACY_POINTS = (POINTS[0], POINTS[3])

CELLS: dict[str, Cell] = {
    "LSTM": cells.LSTM(),
    "GRU": cells.GRU(),
    "Elman": cells.Elman(),
    "peephole LSTM": cells.LSTM(peepholes=True),
    "minimal gated unit": cells.MGU(),
}


@dataclass(frozen=True)
class Figure:
    """A measured number.

    Attributes:
        what: What was measured.
        value: The number.
        unit: Of the number, such as ``%``.
        goal: The number that it shall reach or not exceed; None where there is none.
        upper: Whether the goal is not to be exceeded.
    """

    what: str
    value: float
    unit: str
    goal: float | None = None
    upper: bool = True

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return "no goal"
        met = self.value <= self.goal if self.upper else self.value >= self.goal
        return "pass" if met else "falls short"


def share_of_limit(pairs: int, *, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """Training steps' operations a second, against the best large product on this machine.

    The product is taken again in turns with each step, because a machine's clock changes.
    """
    names, products = zip(*_products().items(), strict=True)
    limits = {name: max(_rates(run)) for name, run in zip(names, products, strict=True)}
    best = max(limits, key=lambda name: limits[name])
    limit, run_best = limits[best], products[names.index(best)]
    shares = []
    for name in ("LSTM", "GRU", "Elman"):
        for point in (p for p in POINTS if p.hidden >= 256):
            if quick and point != POINTS[3]:
                continue
            cell = CELLS[name]
            step = layer_step(make_layer(cell, point), sequences(point).requires_grad_())
            timing = time_in_turns(Contest(Side(run_best), Side(step)), pairs)
            limit = max(limit, _product_operations() / min(timing.peer_samples) / 1e9)
            rate = training_operations(cell, point) / timing.ours / 1e9
            say(f"limit, {name} at ({point}): {rate:.0f} GFLOP/s")
            shares.append((f"{name} at ({point})", rate))
    figures = [Figure(f"{_SIDE}³ product, {n}", rate, "GFLOP/s") for n, rate in limits.items()]
    figures.append(Figure("the limit: the best product of this run", limit, "GFLOP/s"))
    for what, rate in shares:
        figures.append(Figure(f"{what}, training step", rate, "GFLOP/s"))
        figures.append(Figure(f"{what}, of the limit", 100 * rate / limit, "%", 80.0, upper=False))
    return figures


def training_operations(cell: Cell, point: Point) -> int:
    """Additions and multiplications in the products of a training step: three of each kind."""
    columns = point.inputs + len(cell.recurrent) * point.hidden
    rows = point.steps * point.batch
    return 3 * 2 * rows * len(cell.gates) * point.hidden * columns


def _product_operations() -> int:
    return 2 * _SIDE**3


def _products() -> dict[str, Callable[[], Any]]:
    """A square product by each library."""
    left, right = torch.randn(_SIDE, _SIDE), torch.randn(_SIDE, _SIDE)
    rows, columns = left.numpy(), right.numpy()
    # scipy's BLAS takes columns first
    fortran = np.asfortranarray(rows), np.asfortranarray(columns)
    return {
        "torch.mm": lambda: torch.mm(left, right),
        "numpy": lambda: rows @ columns,
        "scipy": lambda: scipy.linalg.blas.sgemm(1.0, *fortran),
    }


def _rates(product: Callable[[], Any]) -> list[float]:
    """GFLOP/s of some products; the first, which warms up, is left out."""
    rates = []
    with threadpool_limits(THREADS, user_api="blas"):
        for _ in range(_TRIES + 1):
            started = time.perf_counter()
            product()
            rates.append(_product_operations() / (time.perf_counter() - started) / 1e9)
    return rates[1:]


def accuracy(pairs: int, *, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """Errors of float32 kernels against the reference engine in float64, T = 100."""
    figures = []
    for name, cell in CELLS.items():
        for point in _ACCURACY_POINTS[: 1 if quick else None]:
            output, gradients = _errors(cell, point)
            say(f"accuracy, {name} at ({point}): {output:.1e} and {gradients:.1e}")
            figures.append(Figure(f"{name} at ({point}), outputs", output, "", 2e-6))
            figures.append(Figure(f"{name} at ({point}), gradients", gradients, "", 1e-5))
    return figures


def _errors(cell: Cell, point: Point) -> tuple[float, float]:
    """The largest of outputs, and of gradients relative to the largest of each gradient."""
    ours = make_layer(cell, point)
    exact = make_layer(cell, point, engine="reference", dtype=torch.float64)
    exact.load_state_dict(ours.state_dict())
    x = sequences(point)
    output, *gradients = layer_step(ours, x.clone().requires_grad_())()
    exact_output, *exact_gradients = layer_step(exact, x.double().requires_grad_())()
    pairs = zip(gradients, exact_gradients, strict=True)
    relative = [_error(mine, true) / float(true.abs().max()) for mine, true in pairs]
    return _error(output, exact_output), max(relative)


def _error(ours: Tensor, exact: Tensor) -> float:
    return float((ours.double() - exact).abs().max())
