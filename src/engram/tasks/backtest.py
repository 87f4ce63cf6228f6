"""Backtest: forecasts from several origins in the past, beside those that need no model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from engram.data.panels.outlook import Outlook
from engram.data.panels.panel import Panel
from engram.data.panels.windows import WindowBatch, inputs_of, season_places, windows
from engram.data.settings import ends_of
from engram.models.many_to_many import State
from engram.models.multi_horizon import MultiHorizon
from engram.records import Report, ReportTable
from engram.tasks.task import Trained
from engram.training.device import device_of

_ROWS = 64  # series side by side
_CHUNK = 512  # steps at once
_LISTED = 20  # series in a table


@dataclass(frozen=True)
class Backtest:
    """Series, and from where they are forecast.

    Attributes:
        panel: The series.
        origins: How many; the last one is a horizon before the end of each series.
        stride: Steps from one to the next.
    """

    panel: Panel
    origins: int
    stride: int

    def seen(self, horizon: int) -> np.ndarray:
        """How many steps of each series lie before each origin, ``(n, origins)`` int64."""
        back = np.arange(self.origins - 1, -1, -1) * self.stride
        return self.panel.lengths[:, None] - horizon - back


@torch.inference_mode()
def looks_ahead(
    trained: Trained, panel: Panel, scales: np.ndarray, seen: np.ndarray, hidden: Tensor
) -> Iterator[tuple[np.ndarray, WindowBatch, Tensor]]:
    """What a model answers from some origins.

    Args:
        trained: The model and its outlook.
        panel: The series; what is known ahead has to reach a horizon behind each origin.
        scales: Mean and deviation of each series, ``(n, 2)``.
        seen: How many steps of each series lie before each origin, ``(n, O)``, 1 or more.
        hidden: What `read` gives for them.

    Yields:
        For some series at a time: their numbers, ``(b,)``; the origins as windows of one step,
        ``(1, b · O)``; and the answers, ``(b · O, horizon, Q)``.
    """
    model = cast(MultiHorizon, trained.model.eval())
    device = device_of(model)
    for series in _stretches(np.arange(len(panel))):
        each = np.repeat(series, seen.shape[1])
        starts = seen[series].reshape(-1) - 1
        ones = np.ones_like(starts)
        batch = windows(panel, trained.preprocess, scales, each, starts, ones).to(device)
        yield series, batch, model.ahead(hidden[series].flatten(0, 1), batch.known[0])


def answer(
    trained: Trained, panel: Panel, scales: np.ndarray, seen: np.ndarray, hidden: Tensor
) -> np.ndarray:
    """Quantiles of the steps after some origins.

    Args:
        trained, panel, scales, seen, hidden: As in `looks_ahead`.

    Returns:
        ``(n, O, horizon, Q)`` float64, in the units of the series, quantiles in their order.
    """
    outlook: Outlook = trained.preprocess
    answers = []
    for series, batch, outputs in looks_ahead(trained, panel, scales, seen, hidden):
        scaled = outputs * outlook.spread + batch.reference[0].unsqueeze(-1)
        ordered = scaled.sort(dim=-1).values.double().cpu().numpy()
        shaped = ordered.reshape(len(series), seen.shape[1], *ordered.shape[1:])
        answers.append(outlook.undo(shaped, scales[series].T[:, :, None, None, None]))
    return np.concatenate(answers)


def forecast(trained: Trained, panel: Panel, seen: np.ndarray) -> np.ndarray:
    """As `answer`, after each series was read from its first step."""
    scales = trained.preprocess.scales_of(panel, seen.min(axis=1))
    return answer(trained, panel, scales, seen, read(trained, panel, scales, seen))


@torch.inference_mode()
def read(trained: Trained, panel: Panel, scales: np.ndarray, seen: np.ndarray) -> Tensor:
    """Read series from their first steps.

    Returns:
        Outputs of the recurrent layers at the last step before each origin, ``(n, O, H)``.
    """
    model = cast(MultiHorizon, trained.model.eval())
    device = device_of(model)
    found: Tensor | None = None
    longest = seen.max(axis=1)
    for series in _stretches(np.argsort(-longest, kind="stable")):
        state = None
        for start in range(0, int(longest[series[0]]), _CHUNK):
            active = series[longest[series] > start]
            steps = min(_CHUNK, int(longest[active[0]]) - start)
            if state is not None:
                state = _rows_of(state, len(active))
            inputs = inputs_of(panel, trained.preprocess, scales, active, start, steps)
            output, state = model.layers(inputs.to(device), state)
            if found is None:
                found = output.new_zeros(*seen.shape, output.shape[2])
            place, origin = np.nonzero((seen[active] > start) & (seen[active] <= start + steps))
            at = seen[active][place, origin] - 1 - start
            found[active[place], origin] = output[at, place]
    assert found is not None
    return found


@torch.inference_mode()
def read_on(
    trained: Trained,
    panel: Panel,
    scales: np.ndarray,
    index: int,
    start: int,
    state: State | None,
) -> tuple[State | None, Tensor | None]:
    """Read the steps of one series from one on.

    Args:
        trained, panel, scales: As in `looks_ahead`.
        index: Which series.
        start: The first step that is read.
        state: Before it; None before the first of all.

    Returns:
        The state after the last step, and the output there, ``(H,)``; None where there was none.
    """
    model = cast(MultiHorizon, trained.model.eval())
    output = None
    series = np.array([index])
    for begin in range(start, int(panel.lengths[index]), _CHUNK):
        steps = min(_CHUNK, int(panel.lengths[index]) - begin)
        inputs = inputs_of(panel, trained.preprocess, scales, series, begin, steps)
        outputs, state = model.layers(inputs.to(device_of(model)), state)
        output = outputs[-1, 0]
    return state, output


def actual(panel: Panel, seen: np.ndarray, horizon: int) -> np.ndarray:
    """What came after the origins, ``(n, O, horizon)`` float64; NaN where that is not known."""
    at = seen[..., None] + np.arange(horizon)
    return _values(panel, at, panel.sequences.values[:, 0])


def repeated(panel: Panel, seen: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The last season again, ``(n, O, horizon)`` float64; with a season of 1, the last value."""
    at = seen[..., None] - 1 + season_places(horizon, season)
    last = np.broadcast_to(seen[..., None] - 1, at.shape)
    return _values(panel, np.where(at >= 0, at, last), panel.carried)


def usual_errors(panel: Panel, seen: np.ndarray, season: int) -> np.ndarray:
    """How far values are from those a season before, on average, up to the first origin, ``(n,)``.

    The measure that Hyndman and Koehler 2006 ("Another look at measures of forecast accuracy")
    scale errors by. A series shorter than a season is compared with the value before.
    """
    found = np.empty(len(panel))
    for index, steps in zip(panel.indices(), seen.min(axis=1), strict=True):
        own = panel.target(index)[:steps].astype(np.float64)
        step = season if len(own) > season else 1
        moves = np.abs(own[step:] - own[:-step])
        found[index] = np.nanmean(moves) if np.isfinite(moves).any() else np.nan
    return found


def judge(trained: Trained, backtest: Backtest) -> Report:
    """Measure forecasts from all origins.

    MASE is the mean absolute error by `usual_errors`, on average over series; those that never
    changed before the first origin have none.
    """
    outlook: Outlook = trained.preprocess
    panel, horizon = backtest.panel, outlook.settings.horizon
    seen = backtest.seen(horizon)
    quantiles = outlook.settings.quantiles
    given = forecast(trained, panel, seen)
    wanted = actual(panel, seen, horizon)
    usual = usual_errors(panel, seen, outlook.season)
    usual[~(usual > 0)] = np.nan
    errors = {
        "": np.abs(given[..., quantiles.index(0.5)] - wanted),
        "naive": np.abs(repeated(panel, seen, horizon, 1) - wanted),
    }
    if outlook.season > 1:
        errors["seasonal naive"] = np.abs(repeated(panel, seen, horizon, outlook.season) - wanted)
    measures: dict[str, float] = {}
    for name, error in errors.items():
        measures[_called("MASE", name)] = _mean(_mean(error, (1, 2)) / usual)
    measures["MAE"] = _mean(errors[""])
    measures["RMSE"] = float(np.sqrt(_mean(errors[""] ** 2)))
    for share in outlook.settings.intervals:
        low, high = (quantiles.index(end) for end in ends_of(share))
        within = (given[..., low] <= wanted) & (wanted <= given[..., high])
        measures[f"inside {100 * share:g} %"] = _mean(np.where(np.isnan(wanted), np.nan, within))
    measures |= {"series": len(panel), "origins": backtest.origins, "steps": horizon}
    return Report(measures, _tables(panel, outlook, seen, errors, usual))


def _tables(
    panel: Panel,
    outlook: Outlook,
    seen: np.ndarray,
    errors: dict[str, np.ndarray],
    usual: np.ndarray,
) -> dict[str, ReportTable]:
    """MASE by origin, and by series where there are several."""
    scaled = {name: error / usual[:, None, None] for name, error in errors.items()}
    names = [_called("MASE", name) for name in errors]
    last = panel.times_of(0)[seen[0] - 1]
    origins = (
        outlook.calendar.written(last)
        if len(panel) == 1
        else [f"{steps} before the end" for steps in (panel.lengths[0] - seen[0])]
    )
    rows = [
        [origin, *(_mean(error[:, place]) for error in scaled.values())]
        for place, origin in enumerate(origins)
    ]
    tables = {"by origin": ReportTable(["after", *names], rows)}
    if len(panel) > 1:
        own = _mean(scaled[""], (1, 2))
        worst = np.argsort(-np.nan_to_num(own))[:_LISTED]
        series = [
            [panel.keys[index], *(_mean(error[index]) for error in scaled.values())]
            for index in worst
        ]
        whole = len(panel) <= _LISTED
        title = "by series" if whole else f"the {_LISTED} series with the largest errors"
        tables[title] = ReportTable(["series", *names], series)
    return tables


def _rows_of(state: State, rows: int) -> State:
    if isinstance(state, Tensor):
        return state[:, :rows].contiguous()
    return tuple(each[:, :rows].contiguous() for each in state)


def _stretches(series: np.ndarray) -> list[np.ndarray]:
    return [series[start : start + _ROWS] for start in range(0, len(series), _ROWS)]


def _values(panel: Panel, at: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values of steps ``(n, …)`` of each series, float64; NaN behind its end."""
    shape = (-1, *[1] * (at.ndim - 1))
    lengths = panel.sequences.lengths.reshape(shape)
    offsets = panel.sequences.offsets[:-1].reshape(shape)
    found = values[offsets + np.minimum(at, lengths - 1)].astype(np.float64)
    return np.where(at < lengths, found, np.nan)


def _called(measure: str, name: str) -> str:
    return f"{name} {measure}" if name else measure


def _mean(values: np.ndarray, axes: tuple[int, ...] | None = None) -> Any:
    """The mean of what is there; NaN where nothing is."""
    there = np.isfinite(values)
    count = there.sum(axis=axes)
    total = np.where(there, values, 0.0).sum(axis=axes)
    found = np.divide(total, count, out=np.full_like(total, np.nan, dtype=float), where=count > 0)
    return float(found) if axes is None else found
