"""Forecaster: predict the next steps of series, with the scikit-learn API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from torch import Tensor

from engram.data.arrays.sequences import Sequences
from engram.data.panels.calendars.even import Even
from engram.data.panels.outlook import Outlook
from engram.data.panels.panel import Panel, joined
from engram.data.panels.roles import find_panel_roles
from engram.data.panels.tables import read_panel
from engram.data.settings import ends_of
from engram.data.tables.frames import frame_table, is_frame
from engram.errors import ConfigError, DataError
from engram.estimators.inputs import arrays, numbers
from engram.estimators.stored import Fitted
from engram.estimators.task_estimator import TaskEstimator
from engram.models.many_to_many import State
from engram.tasks import backtest, forecast
from engram.tasks.origin import IN_MEMORY
from engram.tasks.task import Task, Trained
from engram.training.reporting import Reporter

_TAKES = "(T,), (N, T), a list of (T,), or a table"


@dataclass(kw_only=True, eq=False, repr=False)
class Forecaster(TaskEstimator):
    """A recurrent model that forecasts series and can be updated as new values arrive.

    Args:
        horizon: Number of steps to forecast.
        season, transform, reference, intervals, calendar, missing: What to forecast, and how to
            preprocess series; see `OutlookSettings`.
        target, series, time, past, known: Roles of the columns of a table; see
            `PanelSettings`.
        cell, hidden, layers, dropout, dropout_input, weight_drop, zoneout, forget_bias, context,
            decoder: The model; see `MultiHorizonSettings`.
        window, batch: How series are cut for training.
        epochs, optimizer, rate, schedule, clip_norm, weight_decay, patience: The training; see
            `TrainingSettings`.
        valid_origins: Number of origins at the end of each series that are held out to select the
            best weights. 0 trains on everything and keeps the last weights.
        stride: Steps from one origin to the next; None for half the horizon.
        random_state: Seed of all randomness; a numpy RandomState that each fit draws a seed from;
            or None for numpy's global one.
        run_dir: Folder in which to record the training; None writes nothing to disk.

    Attributes:
        module_: The torch module, in evaluation mode; see `MultiHorizon`.
        preprocess_: Scales and calendar; see `Outlook`.
        settings_: All training settings.
        keys_: The name of each series.
        seed_: The seed that was drawn.
        valid_loss_: Pinball loss on the validation part, or None without one.
        n_iter_: Updates of the weights in training; ``n_updates_`` is the same.

    Example:
        >>> import numpy as np
        >>> import engram
        >>> series = 10 + np.sin(np.arange(80) / 2)
        >>> model = engram.Forecaster(horizon=4, hidden=8, epochs=2, window=20).fit(series[:70])
        >>> model.update(series[70:]).predict().shape, model.predict_interval(0.8).shape
        ((4,), (4, 2))
    """

    task: ClassVar[Task] = forecast.TASK
    fixed: ClassVar[Mapping[str, Any]] = {"data": [IN_MEMORY], "origins": 0}

    horizon: int = 12
    season: int | None = None
    transform: str = "none"
    reference: str = "last"
    intervals: Sequence[float] = (0.8,)
    calendar: bool = True
    missing: str = "refuse"
    target: Sequence[str] = ()
    series: Sequence[str] = ()
    time: Sequence[str] = ()
    past: Sequence[str] = ()
    known: Sequence[str] = ()
    dropout_input: float = 0.0
    weight_drop: float = 0.0
    zoneout: float | Mapping[str, float] | None = None
    context: int = 8
    decoder: int = 32
    window: int = 96
    batch: int = 16
    epochs: int = 50
    rate: float = 2e-3
    valid_origins: int = 2
    stride: int | None = None

    def fit(self, X: Any, y: None = None, *, reporter: Reporter | None = None) -> Self:
        """Train on series and read them to their ends.

        Args:
            X: ``(T,)`` for one series; ``(N, T)``, or a list of ``(T_i,)``, for many; or a table of
                pandas, polars or Arrow, long or wide. NaN is missing. In a table, rows at the end
                of a series with the columns in ``known`` but without the target are future steps.
            y: Not used.
            reporter: Receives training progress; see `engram.Reporter`.

        Raises:
            ConfigError: For invalid parameters; the message names all of them.
            DataError: For data that cannot be read, and series that are too short.
        """
        settings = self._settings()
        panel, roles, single = self._read(X, None)
        data = forecast.make_data(settings, panel, roles=roles)
        self._fit(settings, data, reporter=reporter, run_dir=self.run_dir)
        self._begin(panel, single)
        return self

    def update(self, X: Any) -> Self:
        """Read new steps without training on them; only the state is updated.

        Args:
            X: The new steps of all series, in the form given to `fit`; after `load`, all known
                steps.

        Raises:
            DataError: For data that cannot be read, unknown series, and times that do not follow.
        """
        trained = self._trained()
        if hasattr(self, "_panel"):
            panel, _, _ = self._read(X, trained.preprocess, self._panel.lengths)
            self._advance(joined(self._panel, panel))
        else:
            panel, _, single = self._read(X, trained.preprocess)
            self._begin(panel, single)
        return self

    def predict(self, steps: int | None = None) -> np.ndarray:
        """Predict medians of the next steps: ``(steps,)``, or ``(N, steps)`` for several.

        Args:
            steps: Number of steps; None for the whole horizon.

        Raises:
            DataError: For more steps than the horizon, or if columns in ``known`` are missing.
        """
        return self._shaped(self._quantile(0.5)[:, : self._steps(steps)])

    def predict_interval(self, share: float = 0.8, steps: int | None = None) -> np.ndarray:
        """Predict intervals of the next steps: ``(steps, 2)``, or ``(N, steps, 2)`` for several.

        Args:
            share: Nominal coverage of the interval; one of ``intervals``.
            steps: As in `predict`.

        Raises:
            ConfigError: For an interval that was not trained.
            DataError: As in `predict`.
        """
        known = self._trained().preprocess.settings.intervals
        if share not in known:
            raise ConfigError(
                f"an interval of {share:g} was not trained, only {list(known)}; add it to "
                "intervals= and fit again"
            )
        ends = [self._quantile(end) for end in ends_of(share)]
        return self._shaped(np.stack(ends, axis=-1)[:, : self._steps(steps)])

    def backtest(self, X: Any, origins: int = 5, stride: int | None = None) -> dict[str, float]:
        """Evaluate forecasts from several origins in other series, or later steps of the same ones.

        Args:
            X: As in `fit`.
            origins: Number of origins; the last one is one horizon before the end of each series.
            stride: Steps from one to the next; None for half the horizon.

        Returns:
            MASE of the model and of baseline forecasts, MAE, RMSE, and the fraction of values
            inside each interval.

        Raises:
            DataError: For data that cannot be read, or series that are too short.
        """
        trained = self._trained()
        panel, _, _ = self._read(X, trained.preprocess)
        part = forecast.backtest_of(trained, panel, origins, stride)
        return forecast.evaluate(trained, part).measures

    def score(self, X: Any, y: None = None) -> float:
        """Negative MASE of `backtest`, so that higher is better."""
        return -self.backtest(X)["MASE"]

    def _read(
        self, X: Any, outlook: Outlook | None, before: Sequence[int] | np.ndarray = ()
    ) -> tuple[Panel, dict[str, Any], bool]:
        """Series, the roles of columns, and whether X is an array of one series.

        Arrays continue after the ``before`` steps already read.
        """
        if is_frame(X):
            table = frame_table(X, "X")
            roles = dict(outlook.roles) if outlook is not None else {}
            found = find_panel_roles(
                table,
                targets=self.target or roles.get("target", ()),
                series=self.series or roles.get("series"),
                time=self.time or roles.get("time"),
                past=self.past or roles.get("past", ()),
                known=self.known or roles.get("known", ()),
            )
            panel, _ = read_panel([table], found)
            return panel, found.settings(), False
        several = arrays(X, "X", _TAKES, np.float32)
        if several is not None:
            return _panel(several, before), {}, False
        array = numbers(X, "X", _TAKES, np.float32)
        single = array.ndim == 1
        return _panel([array] if single else list(array), before), {}, single

    def _take(self, trained: Trained, fitted: Fitted) -> None:
        super()._take(trained, fitted)
        self.__dict__.pop("_panel", None)

    def _begin(self, panel: Panel, single: bool) -> None:
        """Forget all series and read these."""
        self._single = single
        self.keys_ = panel.keys
        self._scales = self.preprocess_.scales_of(panel)
        self._read_steps = np.zeros(len(panel), dtype=np.int64)
        self._states: list[State | None] = [None] * len(panel)
        self._outputs: list[Tensor | None] = [None] * len(panel)
        self._advance(panel)

    @torch.inference_mode()
    def _advance(self, panel: Panel) -> None:
        """Read the steps that were not read yet."""
        self._panel = panel
        self._answers: np.ndarray | None = None
        trained = self._trained()
        for index in range(len(panel)):
            self._states[index], output = backtest.read_on(
                trained,
                panel,
                self._scales,
                index,
                int(self._read_steps[index]),
                self._states[index],
            )
            self._outputs[index] = self._outputs[index] if output is None else output
        self._read_steps = panel.lengths.copy()

    def _quantile(self, level: float) -> np.ndarray:
        """``(N, horizon)``."""
        trained = self._trained()
        outlook: Outlook = trained.preprocess
        if not hasattr(self, "_panel"):
            raise DataError("no series has been read yet; give the known steps to update()")
        if self._answers is None:
            whole = self._panel.with_ahead(outlook.settings.horizon)
            hidden = torch.stack([cast(Tensor, each) for each in self._outputs])
            self._answers = backtest.answer(
                trained, whole, self._scales, whole.lengths[:, None], hidden.unsqueeze(1)
            )[:, 0]
        return self._answers[..., outlook.settings.quantiles.index(level)]

    def _steps(self, steps: int | None) -> int:
        horizon: int = self.settings_.horizon
        if steps is not None and not 1 <= steps <= horizon:
            raise DataError(
                f"steps={steps} exceeds the model's horizon of {horizon}; give 1 to {horizon}, "
                f"or fit with horizon={steps}"
            )
        return steps or horizon

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        return values[0] if self._single else values


def _panel(series: list[np.ndarray], before: Sequence[int] | np.ndarray) -> Panel:
    """Series ``(T_i,)`` that continue after the ``before`` steps already read."""
    for place, each in enumerate(series):
        if each.ndim != 1 or not len(each) or np.isnan(each).all():
            raise DataError(
                f"series {place} of X has shape {each.shape} or contains no finite value; X takes "
                f"{_TAKES}"
            )
    if not series:
        raise DataError("X contains no series; give at least one")
    width = len(str(len(series) - 1))
    sequences = Sequences.of([each[:, None] for each in series], ("value",))
    begins = [*before, *[0] * len(series)]
    times = [np.arange(len(each)) + begin for each, begin in zip(series, begins, strict=False)]
    keys = [f"series {place:0{width}}" for place in range(len(series))]
    ahead = np.zeros(len(series), dtype=np.int64)
    laid = np.concatenate(times).astype(np.float64)
    return Panel(sequences, laid, keys, 0, Even(), ahead)
