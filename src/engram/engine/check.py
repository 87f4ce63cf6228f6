"""Check a cell: engines against the reference, and the reference against finite differences."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from engram.cells.base import Cell, check_declaration
from engram.engine import reference
from engram.engine.dispatch import Choice, choose
from engram.engine.sequence import Result, Weights
from engram.engine.trace import trace
from engram.errors import ConfigError, NumericsError

# Tolerance relative to the largest value compared, or to `_LEAST`: a small gradient may be the
# remainder of values near 1 that cancel out.
TOLERANCES = {torch.float32: 2e-5, torch.float64: 1e-10}
_LEAST = 1e-2
_SIZES = [(1, 1, 1), (7, 5, 3), (63, 5, 3), (16, 1, 3), (33, 48, 2)]  # H, B, T


@dataclass(frozen=True)
class CellReport:
    """The result of a successful `check_cell`.

    Attributes:
        cell: The cell's repr.
        engines: Engines that were compared with the reference.
        cases: Number of comparisons.
        largest: The largest relative difference from the reference, by engine and dtype.
        remarks: Notes, such as why an engine was skipped.

    Example:
        >>> import engram
        >>> report = engram.check_cell(engram.cells.Elman())
        >>> max(report.largest.values()) < 1e-3
        True
    """

    cell: str
    engines: tuple[str, ...]
    cases: int
    largest: dict[str, float]
    remarks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        found = ", ".join(f"{name} within {value:.0e}" for name, value in self.largest.items())
        lines = [f"{self.cell}: {self.cases} cases in order; {found or 'reference only'}"]
        return "\n".join([*lines, *self.remarks])


def check_cell(cell: Cell) -> CellReport:
    """Check a cell's gradients and every engine that can run it.

    Compares the gradients on the reference engine with finite differences in float64, then every
    engine that can run the cell with the reference: outputs, final states and all gradients, in
    float32 and float64, at odd sizes, from non-zero initial states, with lengths, with resets, and
    in both directions.

    Args:
        cell: The equations.

    Returns:
        The number of cases compared and the largest differences.

    Raises:
        ConfigError: If the cell is not defined correctly or cannot be traced.
        NumericsError: If a gradient or an engine is wrong; the message says which, and for which
            case.

    Example:
        >>> import engram
        >>> from engram.cells.language import tanh
        >>> class Leaky(engram.cells.Cell):
        ...     gates = ("a",)
        ...     states = ("h",)
        ...     recurrent = ("h",)
        ...     def step(self, x, r, s, w):
        ...         return {"h": 0.5 * s.h + 0.5 * tanh(x.a + r.a)}
        >>> engram.check_cell(Leaky()).cases > 0
        True
    """
    if not isinstance(cell, Cell):
        raise ConfigError(
            f"cell is {cell!r}; it takes a Cell, such as engram.cells.LSTM() (with parentheses)"
        )
    check_declaration(cell, type(cell).__name__)
    trace(cell)
    _check_differences(cell)
    cases, largest, remarks, engines = 0, {}, [], []
    for name in ("cpu", "torch"):
        try:
            choice = choose(cell, name)
        except ConfigError as fault:
            remarks.append(str(fault).removesuffix("; use engine='auto'"))
            continue
        engines.append(name)
        for dtype, tolerance in TOLERANCES.items():
            worst = 0.0
            for case in _cases():
                worst = max(worst, _compare(cell, choice, case, dtype, tolerance))
                cases += 1
            largest[f"{name} in {str(dtype).removeprefix('torch.')}"] = worst
    return CellReport(repr(cell), tuple(engines), cases, largest, remarks)


@dataclass(frozen=True)
class _Case:
    hidden: int
    batch: int
    steps: int
    reverse: bool
    lengths: bool
    reset: bool

    def __str__(self) -> str:
        marks = [name for name in ("reverse", "lengths", "reset") if getattr(self, name)]
        sizes = f"H={self.hidden}, B={self.batch}, T={self.steps}"
        return f"{sizes} ({', '.join(marks)})" if marks else sizes

    def options(self) -> dict[str, Any]:
        """The arguments of an engine other than tensors."""
        draw = torch.Generator().manual_seed(self.steps + self.batch)
        lengths = torch.randint(1, self.steps + 1, (self.batch,), generator=draw)
        reset = torch.rand(self.steps, self.batch, generator=draw) < 0.3
        return {
            "reverse": self.reverse,
            "lengths": lengths if self.lengths else None,
            "reset": reset if self.reset else None,
        }


def _cases() -> Iterator[_Case]:
    for sizes, marks in itertools.product(_SIZES, itertools.product([False, True], repeat=3)):
        yield _Case(*sizes, *marks)


@dataclass(frozen=True)
class _Problem:
    """Random tensors for a cell; all but the masks require gradients."""

    cell: Cell
    tensors: dict[str, Tensor]
    masks: dict[str, Tensor]

    def run(self, engine: Callable[..., Result], options: dict[str, Any]) -> dict[str, Tensor]:
        """Outputs and final states by name."""
        t = self.tensors
        weights = Weights(
            t["input weights"],
            t["recurrent weights"],
            t["input bias"],
            t["recurrent bias"],
            {name: t[f"weight {name}"] for name in self.cell.weights},
            self.masks,
        )
        states = {name: t[f"initial {name}"] for name in self.cell.states}
        result = engine(self.cell, t["input"], weights, states, **options)
        return {"output": result.output} | {f"final {n}": v for n, v in result.state.items()}


def _problem(cell: Cell, case: _Case, dtype: torch.dtype) -> _Problem:
    hidden, features = case.hidden, 5
    blocks = len(cell.gates) * hidden
    shapes: dict[str, tuple[int, ...]] = {
        "input": (case.steps, case.batch, features),
        "input weights": (blocks, features),
        "recurrent weights": (blocks, len(cell.recurrent) * hidden),
        "input bias": (blocks,),
        "recurrent bias": (blocks,),
        **{f"weight {name}": (hidden,) for name in cell.weights},
        **{f"initial {name}": (case.batch, hidden) for name in cell.states},
    }
    draw = torch.Generator().manual_seed(hidden)
    tensors = {}
    for name, shape in shapes.items():
        scale = 0.5 / math.sqrt(hidden) if "weights" in name else 0.5
        drawn = scale * torch.randn(shape, generator=draw, dtype=torch.float64)
        tensors[name] = drawn.to(dtype).requires_grad_()
    shape = case.steps, case.batch, hidden
    masks = {
        name: torch.rand(shape, generator=draw, dtype=torch.float64).to(dtype)
        for name in cell.masks
    }
    return _Problem(cell, tensors, masks)


def _check_differences(cell: Cell) -> None:
    """Compare the reference's gradients with finite differences."""
    case = _Case(3, 2, 3, reverse=False, lengths=False, reset=False)
    given = _problem(cell, case, torch.float64)
    names = list(given.tensors)

    def outputs(*tensors: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(names, tensors, strict=True))
        return tuple(_Problem(cell, named, given.masks).run(reference.run, case.options()).values())

    try:
        torch.autograd.gradcheck(outputs, tuple(given.tensors.values()))
    except RuntimeError as fault:
        raise NumericsError(
            f"cell {type(cell).__name__}: its gradients are not those of finite differences; a "
            f"step must be a function of its arguments alone, and smooth: {fault}"
        ) from None


def _compare(
    cell: Cell, choice: Choice, case: _Case, dtype: torch.dtype, tolerance: float
) -> float:
    """The largest relative difference of an engine from the reference, checked to be small."""
    given = _problem(cell, case, dtype)
    options = case.options()
    expected = _answer(given, reference.run, options)
    computed = _answer(given, choice.run, options)
    worst = 0.0
    for name, value in expected.items():
        scale = max(float(value.abs().max()), _LEAST) if value.numel() else 1.0
        difference = float((computed[name] - value).abs().max()) / scale if value.numel() else 0.0
        if not difference <= tolerance:
            raise NumericsError(
                f"cell {type(cell).__name__}: engine '{choice.engine}' differs from the reference "
                f"by {difference:.1e} in {name} at {case} in {dtype}; up to {tolerance:.0e} is "
                "accepted"
            )
        worst = max(worst, difference)
    return worst


def _answer(
    given: _Problem, engine: Callable[..., Result], options: dict[str, Any]
) -> dict[str, Tensor]:
    """Outputs, final states, and the gradients of a random sum of them."""
    values = given.run(engine, options)
    draw = torch.Generator().manual_seed(1)
    total = torch.stack(
        [
            (value * torch.randn(value.shape, generator=draw, dtype=torch.float64)).sum()
            for value in values.values()
        ]
    ).sum()
    found = torch.autograd.grad(
        total, list(given.tensors.values()), allow_unused=True, materialize_grads=True
    )
    gradients = zip(given.tensors, found, strict=True)
    return {n: v.detach() for n, v in values.items()} | {
        f"gradient of {n}": g for n, g in gradients
    }
