"""Problems of series of numbers, answered at each step: Mackey-Glass, NARMA10."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from engram.data.builtin.mackey_glass import mackey_glass
from engram.data.builtin.synthetic import narma10, nrmse
from engram.tasks.outlines.synthetic import ProblemSettings
from engram.tasks.problems.problem import Draw, Examples, Problem
from engram.training.losses import mean_squared

# About the mean and the deviation of what a network reads and says, which training is at ease with;
# NRMSE is the same in any unit.
_X, _U, _Y = (0.93, 0.23), (0.25, 0.144), (0.38, 0.11)
_RUNS = 64  # series of Mackey and Glass that windows are drawn from
_SHOWN = 5


def _scaled(values: Tensor, unit: tuple[float, float]) -> Tensor:
    return (values - unit[0]) / unit[1]


def _unscaled(values: Tensor, unit: tuple[float, float]) -> Tensor:
    return values * unit[1] + unit[0]


def _counted(targets: Tensor, warm_up: int) -> Tensor:
    """Targets with NaN, which nothing is compared with, in the first steps."""
    targets = targets.clone()
    targets[:warm_up] = torch.nan
    return targets


@lru_cache(maxsize=4)
def _long_series(steps: int, tau: int, seed: int) -> Tensor:
    runs = mackey_glass(steps, tau=tau, runs=_RUNS, seed=seed)
    return _scaled(torch.from_numpy(runs).float(), _X)


def _draw_mackey_glass(settings: ProblemSettings, seed: int) -> Draw:
    """Windows at random places of some long series: to integrate each one separately would take "
    "long."""
    steps, ahead = settings.steps, settings.ahead
    whole = 1000 + steps + ahead

    def draw(count: int, generator: torch.Generator) -> Examples:
        runs = _long_series(whole, settings.tau, seed)
        chosen = torch.randint(_RUNS, (count,), generator=generator)
        starts = torch.randint(whole - steps - ahead + 1, (count,), generator=generator)
        at = starts + torch.arange(steps + ahead).unsqueeze(1)
        series = runs[at, chosen]
        targets = _counted(series[ahead:], settings.warm_up)
        return Examples(series[:steps].unsqueeze(2), targets)

    return draw


def _draw_narma(settings: ProblemSettings, _: int) -> Draw:
    def draw(count: int, generator: torch.Generator) -> Examples:
        inputs, targets = narma10(settings.steps, count, generator)
        targets = _counted(_scaled(targets, _Y), settings.warm_up)
        return Examples(_scaled(inputs, _U).unsqueeze(2), targets)

    return draw


def _loss(outputs: Tensor, examples: Examples) -> Tensor:
    return mean_squared(outputs[..., 0], examples.targets, mask=~examples.targets.isnan())


def _measures(outputs: Tensor, examples: Examples) -> dict[str, float]:
    counted = ~examples.targets.isnan()
    return {"NRMSE": nrmse(outputs[..., 0][counted], examples.targets[counted])}


def _rows(
    read: tuple[float, float], said: tuple[float, float]
) -> Callable[[Tensor, Examples], Iterator[dict[str, Any]]]:
    """The last numbers that were read, and what was predicted from them and those before."""

    def rows(outputs: Tensor, examples: Examples) -> Iterator[dict[str, Any]]:
        last = _unscaled(examples.inputs[-_SHOWN:, :, 0], read).T.tolist()
        wanted = _unscaled(examples.targets[-1], said).tolist()
        given = _unscaled(outputs[-1, :, 0], said).tolist()
        for row, numbers in enumerate(last):
            yield {
                "asked": "… " + " ".join(f"{number:.3f}" for number in numbers),
                "wanted": wanted[row],
                "predicted": given[row],
            }

    return rows


MACKEY_GLASS = Problem(
    sizes=lambda _: (1, 1),
    drawing=_draw_mackey_glass,
    loss=_loss,
    measures=_measures,
    rows=_rows(_X, _X),
)
NARMA10 = Problem(
    sizes=lambda _: (1, 1),
    drawing=_draw_narma,
    loss=_loss,
    measures=_measures,
    rows=_rows(_U, _Y),
)
