"""Forecasting: forecast the next steps of series, with prediction intervals."""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from engram.data.panels.batches import Windows
from engram.data.panels.checks import constant_series, leaking_columns, require_values
from engram.data.panels.outlook import Outlook, learn_outlook
from engram.data.panels.panel import Panel
from engram.data.panels.reading import MADE, as_stored, read_panels
from engram.data.panels.windows import WindowBatch, windows
from engram.data.settings import OutlookSettings, PanelSettings, ends_of
from engram.errors import DataError, EngramWarning
from engram.models.many_to_many import State
from engram.models.multi_horizon import MultiHorizon
from engram.records import Report
from engram.tasks import backtest
from engram.tasks.backtest import Backtest
from engram.tasks.outlines.forecast import OUTLINE, ForecastSettings, stride_of
from engram.tasks.probe import Probe, Single, choose_targets
from engram.tasks.task import Data, Task, Trained
from engram.training.device import device_of
from engram.training.evaluation import mean_loss
from engram.training.losses import pinball
from engram.training.source import Objective


def read(settings: ForecastSettings) -> Data:
    """Read all series that the settings name.

    Raises:
        DataError: As `read_panels` and `make_data`.
    """
    found = read_panels(settings)
    return make_data(settings, found.panel, found.about, found.warnings, found.roles)


def make_data(
    settings: ForecastSettings,
    panel: Panel,
    about: Sequence[str] = (),
    warnings: Sequence[str] = (),
    roles: Mapping[str, Any] = MappingProxyType({}),
) -> Data:
    """Hold out the end of each series, and learn scales on what is before.

    Args:
        settings: How much is held out, and how series become numbers.
        panel: The series.
        about, warnings: See `Data`.
        roles: See `Outlook`.

    Raises:
        DataError: For missing values that are refused, series that are too short, and values that
            the transform does not take.
    """
    require_values(panel, settings.missing)
    notes = list(warnings)
    test, valid = settings.held(settings.origins), settings.held(settings.valid_origins)
    least = test + valid + settings.horizon + 1
    long = np.flatnonzero(panel.lengths >= least)
    if len(long) < len(panel):
        short = int(np.flatnonzero(panel.lengths < least)[0])
        said = (
            f"'{panel.keys[short]}' has {panel.lengths[short]:,} steps, and {least:,} are needed "
            f"for {settings.origins} + {settings.valid_origins} origins every {settings.step} "
            f"steps and a horizon of {settings.horizon}"
        )
        if not len(long):
            raise DataError(
                f"no series is long enough: {said}; lower --horizon, --origins, --valid-origins or "
                "--stride"
            )
        left_out = len(panel) - len(long)
        notes.append(f"{left_out:,} series are too short and are left out of training: {said}")
        panel = panel.take(long)
    train = panel.before(test + valid)
    own = OutlookSettings(
        **{name: getattr(settings, name) for name in OutlookSettings.model_fields}
    )
    outlook = learn_outlook(train, own, roles)
    notes += [*constant_series(train), *leaking_columns(train)]
    parts = [
        Backtest(panel.before(cut), origins, settings.step) if origins else None
        for cut, origins in ((test, settings.valid_origins), (0, settings.origins))
    ]
    lines = [
        f"{settings.horizon} steps ahead; a season is {outlook.season} steps; the last {test:,} "
        f"steps of each series to test, {valid:,} before them to validate"
    ]
    return Data(train, parts[0], parts[1], outlook, panel.digest(), [*about, *lines], notes)


def cost_of(outputs: Tensor, targets: Tensor, outlook: Outlook, reduction: str = "mean") -> Tensor:
    """The pinball cost of quantiles, where there is something to compare them with.

    Args:
        outputs: ``(…, horizon, Q)``.
        targets: ``(…, horizon)``; NaN where there is none.
        outlook: Which quantiles.
        reduction: ``"mean"``, ``"sum"``, or ``"none"``: each, zero where there is no target.
    """
    wanted = targets.unsqueeze(-1).expand_as(outputs)
    levels = torch.tensor(outlook.settings.quantiles, device=outputs.device)
    return pinball(outputs, wanted, mask=~wanted.isnan(), reduction=reduction, levels=levels)


def part_loss(model: nn.Module, settings: ForecastSettings, data: Data) -> float:
    """The mean pinball cost from every origin of the validation part, in units of the spread."""
    outlook: Outlook = data.preprocess

    def loss(looked: tuple[Tensor, Tensor]) -> tuple[Tensor, float]:
        outputs, targets = looked
        terms = outputs.shape[-1] * int((~targets.isnan()).sum())
        return cost_of(outputs, targets, outlook, "sum"), terms

    return mean_loss(
        model, _validation(Trained(OUTLINE.name, model, outlook, settings), data), loss
    )


def widen(trained: Trained, data: Data) -> None:
    """Widen the intervals until as many values of the validation part fall into each as should.

    Conformalized quantile regression (Romano, Patterson, Candès 2019), pooled over series and
    steps; but no interval is made narrower, as the best weights were chosen on the same values.
    """
    outlook: Outlook = data.preprocess
    quantiles = outlook.settings.quantiles
    if data.valid is None:
        return
    model = cast(MultiHorizon, trained.model)
    model.margins.zero_()
    answers = list(_validation(trained, data))
    margins = torch.zeros_like(model.margins)
    for share in outlook.settings.intervals:
        low, high = (quantiles.index(end) for end in ends_of(share))
        beyond = torch.cat(
            [
                torch.maximum(outputs[..., low] - targets, targets - outputs[..., high])[
                    ~targets.isnan()
                ]
                for outputs, targets in answers
            ]
        )
        place = math.ceil(share * (len(beyond) + 1))  # of the values in their order, from 1
        if place <= len(beyond):
            margin = beyond.kthvalue(place).values.clamp(min=0.0)
            margins[low], margins[high] = -margin, margin
    model.margins.copy_(margins)


def _validation(trained: Trained, data: Data) -> Iterator[tuple[Tensor, Tensor]]:
    """Answers from every step of the validation part between its first origin and its last.

    Yields:
        ``(B, horizon, Q)`` and what came, ``(B, horizon)``, both in units of the spread.
    """
    part: Backtest = data.valid
    outlook: Outlook = data.preprocess
    every = Backtest(part.panel, 1 + (part.origins - 1) * part.stride, 1)
    seen = every.seen(outlook.settings.horizon)
    scales = outlook.scales_of(part.panel)
    hidden = backtest.read(trained, part.panel, scales, seen)
    for _, batch, outputs in backtest.looks_ahead(trained, part.panel, scales, seen, hidden):
        yield outputs, batch.targets[0]


def probe(trained: Trained, part: Backtest | Panel) -> Probe:
    """Single losses of looks ahead, each from one origin."""
    panel = part if isinstance(part, Panel) else part.panel
    outlook: Outlook = trained.preprocess
    horizon = outlook.settings.horizon
    scales = outlook.scales_of(panel)
    lengths = np.maximum(panel.lengths - horizon, 0)  # origins whose whole horizon is known
    series = np.repeat(np.arange(len(panel)), lengths)
    steps = np.arange(len(series)) - (np.cumsum(lengths) - lengths)[series]
    longest, chosen = choose_targets(steps + 1, trained.settings.seed)

    def losses(model: nn.Module, some: slice, context: int | None) -> Single:
        picked = chosen[some]
        sizes = np.full(len(picked), context or longest)
        starts = steps[picked] + 1 - sizes
        batch = windows(panel, outlook, scales, series[picked], starts, sizes)
        batch = batch.to(device_of(model))
        outputs, _ = model(batch.inputs, batch.known, batch.lengths)
        return Single(cost_of(outputs[-1], batch.targets[-1], outlook, "none").flatten(1).mean(1))

    return Probe(losses, len(chosen), longest, "steps")


def evaluate(trained: Trained, part: Backtest) -> Report:
    """Errors of forecasts from all origins; see `backtest.judge`."""
    return backtest.judge(trained, part)


class AskingSettings(PanelSettings):
    """What is predicted."""

    steps: int | None = Field(
        None, ge=1, description="number of steps ahead; default the whole horizon"
    )


class JudgingSettings(PanelSettings):
    """What is measured."""

    origins: int = Field(5, ge=1, description="number of forecast origins")
    stride: int | None = Field(
        None, ge=1, description="steps from one origin to the next; default half the horizon"
    )


def predict(trained: Trained, panel: Panel, steps: int | None = None) -> Iterator[dict[str, Any]]:
    """For each series its next steps: the median, and the ends of all intervals.

    Args:
        trained: The model and its outlook.
        panel: All that is known of the series.
        steps: How many; None for the whole horizon.

    Raises:
        DataError: For more steps than the horizon, missing values that are refused, and columns
            that have to be known ahead and are not.
    """
    outlook: Outlook = trained.preprocess
    horizon = outlook.settings.horizon
    if steps is not None and steps > horizon:
        raise DataError(
            f"{steps} steps were requested, but the model forecasts {horizon}; train one with "
            f"--horizon {steps}"
        )
    require_values(panel, outlook.settings.missing)
    whole = panel.with_ahead(horizon)
    given = backtest.forecast(trained, whole, whole.lengths[:, None])[:, 0]
    quantiles = outlook.settings.quantiles
    for index, key in enumerate(panel.keys):
        times = panel.calendar.written(whole.times_of(index)[-horizon:])
        for place, time in enumerate(times[:steps]):
            row: dict[str, Any] = {"series": key, "time": time}
            row |= {"value": float(given[index, place, quantiles.index(0.5)])}
            for share in sorted(outlook.settings.intervals):
                for name, end in zip(("low", "high"), ends_of(share), strict=True):
                    at = quantiles.index(end)
                    row[f"{name} {100 * share:g} %"] = float(given[index, place, at])
            yield row


def _panel(trained: Trained, given: PanelSettings) -> Panel:
    """The series of other files, read as the training's were.

    Raises:
        DataError: For other columns, or another calendar.
    """
    outlook: Outlook = trained.preprocess
    history = getattr(trained.settings, "data", ())
    found = read_panels(as_stored(given, outlook.roles), outlook.calendar, history)
    for note in found.warnings:
        warnings.warn(note, EngramWarning, stacklevel=2)
    return found.panel


def backtest_of(
    trained: Trained, panel: Panel, origins: int, stride: int | None = None
) -> Backtest:
    """Some origins at the end of each series, to be evaluated from.

    Raises:
        DataError: For series that are too short, and missing values that are refused.
    """
    outlook: Outlook = trained.preprocess
    require_values(panel, outlook.settings.missing)
    horizon = outlook.settings.horizon
    part = Backtest(panel.before(0), origins, stride_of(stride, horizon))
    least = part.seen(horizon).min(axis=1)
    if least.min() < 2:
        short = int(least.argmin())
        raise DataError(
            f"series '{panel.keys[short]}' has {panel.lengths[short]:,} steps, too few for "
            f"{part.origins} origins every {part.stride} steps and a horizon of {horizon}; use "
            "fewer origins, or a shorter stride"
        )
    return part


def _build(settings: ForecastSettings, outlook: Outlook) -> nn.Module:
    quantiles = len(outlook.settings.quantiles)
    return MultiHorizon(
        outlook.inputs, outlook.known, outlook.settings.horizon, quantiles, settings
    )


def _source(settings: ForecastSettings, data: Data) -> Windows:
    scales = data.preprocess.scales_of(data.train)
    return Windows(
        data.train, data.preprocess, scales, settings.window, settings.batch, settings.seed
    )


def _objective(_: ForecastSettings, data: Data) -> Objective:
    outlook: Outlook = data.preprocess

    def objective(model: nn.Module, batch: WindowBatch, _: State | None) -> tuple[Tensor, None]:
        outputs, _ = model(batch.inputs, batch.known, batch.lengths)
        return cost_of(outputs, batch.targets, outlook), None

    return objective


TASK = Task(
    outline=OUTLINE,
    unit="steps",
    loss_unit="of the spread",
    read=read,
    build=_build,
    source=_source,
    objective=_objective,
    loss=part_loss,
    preprocess_from=Outlook.from_plain,
    evaluate=evaluate,
    asking=AskingSettings,
    predict=lambda trained, asking: predict(trained, _panel(trained, asking), asking.steps),
    judging=JudgingSettings,
    read_part=lambda trained, judging: backtest_of(
        trained, _panel(trained, judging), judging.origins, judging.stride
    ),
    probe=probe,
    finish=widen,
    makes=tuple(MADE),
)
