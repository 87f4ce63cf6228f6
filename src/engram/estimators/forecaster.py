"""Forecaster: the next steps of series, with scikit-learn's manners."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from engram.data.frequency import Frequency
from engram.data.outlook import Outlook
from engram.data.panel import Panel, joined
from engram.data.sequences import Sequences
from engram.data.settings import ends_of
from engram.data.tables.frames import frame_table, is_frame
from engram.data.tables.panels import find_panel_roles, read_panel
from engram.errors import ConfigError, DataError
from engram.estimators.fitting import fit, loaded, trained_of, values_of
from engram.models.many_to_many import State
from engram.tasks import backtest, fitting
from engram.tasks import forecast as task
from engram.training.reporting import Reporter


class Forecaster(BaseEstimator):
    """A recurrent model of what comes next in series, that goes on as new values come.

    Args:
        horizon: Steps that are forecast at once.
        season, transform, reference, intervals, calendar, missing: What is forecast, and how series
            become numbers; see `OutlookSettings`.
        target, series, time, past, known: What the columns of a table are for; see
            `PanelSettings`.
        cell, hidden, layers, dropout, dropout_input, weight_drop, zoneout, forget_bias, context,
            decoder: The model; see `MultiHorizonSettings`.
        window, batch: How series are cut for training.
        epochs, optimizer, rate, schedule, clip_norm, weight_decay, patience: The training; see
            `TrainingSettings`.
        valid_origins: Origins at the end of each series whose forecasts choose the best weights;
            these are not learnt from. 0 learns from all, and keeps the last weights.
        stride: Steps from an origin to the next; None for half the horizon.
        random_state: Seed of everything random.
        run_dir: Where the training is recorded; None writes nothing to disk.

    Attributes:
        module_: The torch module; see `MultiHorizon`.
        preprocess_: Scales and frequency; see `Outlook`.
        settings_: All settings of the training.
        keys_: What each series is called.
        valid_loss_: Pinball cost on the validation part, or None without one.
        n_iter_: Updates of the weights in training.
    """

    def __init__(
        self,
        horizon: int = 12,
        *,
        season: int | None = None,
        transform: str = "none",
        reference: str = "last",
        intervals: Sequence[float] = (0.8,),
        calendar: bool = True,
        missing: str = "refuse",
        target: Sequence[str] = (),
        series: str | None = None,
        time: str | None = None,
        past: Sequence[str] = (),
        known: Sequence[str] = (),
        cell: str = "lstm",
        hidden: int = 64,
        layers: int = 1,
        dropout: float = 0.0,
        dropout_input: float = 0.0,
        weight_drop: float = 0.0,
        zoneout: float | Mapping[str, float] | None = None,
        forget_bias: float | None = None,
        context: int = 8,
        decoder: int = 32,
        window: int = 96,
        batch: int = 16,
        epochs: int = 50,
        optimizer: str = "adamw",
        rate: float = 2e-3,
        schedule: str = "cosine",
        clip_norm: float | None = 1.0,
        weight_decay: float = 0.0,
        patience: int | None = None,
        valid_origins: int = 2,
        stride: int | None = None,
        random_state: int = 0,
        run_dir: str | Path | None = None,
    ) -> None:
        self.horizon = horizon
        self.season = season
        self.transform = transform
        self.reference = reference
        self.intervals = intervals
        self.calendar = calendar
        self.missing = missing
        self.target = target
        self.series = series
        self.time = time
        self.past = past
        self.known = known
        self.cell = cell
        self.hidden = hidden
        self.layers = layers
        self.dropout = dropout
        self.dropout_input = dropout_input
        self.weight_drop = weight_drop
        self.zoneout = zoneout
        self.forget_bias = forget_bias
        self.context = context
        self.decoder = decoder
        self.window = window
        self.batch = batch
        self.epochs = epochs
        self.optimizer = optimizer
        self.rate = rate
        self.schedule = schedule
        self.clip_norm = clip_norm
        self.weight_decay = weight_decay
        self.patience = patience
        self.valid_origins = valid_origins
        self.stride = stride
        self.random_state = random_state
        self.run_dir = run_dir

    def fit(self, X: Any, y: None = None, *, reporter: Reporter | None = None) -> Self:
        """Train on series, and read them to their ends.

        Args:
            X: ``(T,)`` for one series; ``(N, T)``, or a list of ``(T_i,)``, for many; or a table of
                pandas, polars or Arrow, long or wide. NaN is missing. In a table, rows at the end
                of a series that miss the target and have the columns in ``known`` are yet to come.
            y: Not used.
            reporter: Who is told how the training goes; see `engram.Reporter`.

        Raises:
            ConfigError: For parameters that cannot work, all of them named.
            DataError: For what cannot be read, and series that are too short.
        """
        settings = task.ForecastSettings.checked(self._values(), "Forecaster")
        panel, roles = self._read(X, None)
        data = task.make_data(settings, panel, roles=roles)
        fit(self, task.TASK, settings, data, reporter=reporter, run_dir=self.run_dir)
        self._begin(panel)
        return self

    def update(self, X: Any) -> Self:
        """Read what came since, without learning from it: the state moves on.

        Args:
            X: The new steps of all series, in the form that `fit` took; after `load`, all that is
                known of them.

        Raises:
            DataError: For what cannot be read, other series, and times that do not follow.
        """
        trained = trained_of(self, task.TASK)
        if hasattr(self, "_panel"):
            panel, _ = self._read(X, trained.preprocess, self._panel.lengths)
            self._advance(joined(self._panel, panel))
        else:
            self._begin(self._read(X, trained.preprocess)[0])
        return self

    def predict(self, steps: int | None = None) -> np.ndarray:
        """The medians of the next steps: ``(steps,)`` for one series, ``(N, steps)`` for many.

        Args:
            steps: How many; None for the whole horizon.

        Raises:
            DataError: For more than the horizon, and where columns in ``known`` are not given.
        """
        return self._shaped(self._quantile(0.5)[:, : self._steps(steps)])

    def predict_interval(self, share: float = 0.8, steps: int | None = None) -> np.ndarray:
        """Between what the next steps will lie: ``(steps, 2)``, or ``(N, steps, 2)`` for many.

        Args:
            share: Of what falls between the two; one of ``intervals``.
            steps: As in `predict`.

        Raises:
            ConfigError: For a share that was not learnt.
            DataError: As `predict`.
        """
        known = trained_of(self, task.TASK).preprocess.settings.intervals
        if share not in known:
            raise ConfigError(
                f"an interval of {share:g} was not learnt, which was told {list(known)}; name it "
                "in intervals= and fit again"
            )
        ends = [self._quantile(end) for end in ends_of(share)]
        return self._shaped(np.stack(ends, axis=-1)[:, : self._steps(steps)])

    def backtest(self, X: Any, origins: int = 5, stride: int | None = None) -> dict[str, float]:
        """Measure forecasts from several origins in other series, or later steps of the same.

        Args:
            X: As in `fit`.
            origins: How many; the last one is a horizon before the end of each series.
            stride: Steps from one to the next; None for half the horizon.

        Returns:
            MASE of the model and of forecasts that need none, MAE, RMSE, and the share of values
            inside of each interval.

        Raises:
            DataError: For what cannot be read, or series that are too short.
        """
        trained = trained_of(self, task.TASK)
        panel, _ = self._read(X, trained.preprocess)
        return task.evaluate(trained, task.backtest_of(trained, panel, origins, stride)).measures

    def score(self, X: Any, y: None = None) -> float:
        """MASE of `backtest` with its sign changed, so that more is better."""
        return -self.backtest(X)["MASE"]

    def save(self, path: str | Path) -> None:
        """Write the fitted model into a folder, as a run's ``model/``; the state is not kept.

        Raises:
            RunError: Where it cannot be written.
        """
        fitting.save(Path(path), trained_of(self, task.TASK))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a folder that `save` or a training (``RUN/model``) wrote; then `update` it.

        Raises:
            RunError: Where it is missing or damaged.
        """
        return cast(Self, loaded(cls, task.TASK, path))

    def _values(self) -> dict[str, Any]:
        values = values_of(self)
        lists = {name: list(values[name]) for name in ("intervals", "target", "past", "known")}
        return values | lists | {"origins": 0}

    def _read(
        self, X: Any, outlook: Outlook | None, before: Sequence[int] | np.ndarray = ()
    ) -> tuple[Panel, dict[str, Any]]:
        """Series, and the roles of columns; arrays go on after so many steps ``before``."""
        if is_frame(X):
            table = frame_table(X, "X")
            roles = dict(outlook.roles) if outlook is not None else {}
            found = find_panel_roles(
                table,
                next(table.blocks()),
                targets=self.target or roles.get("target", ()),
                series=self.series or roles.get("series"),
                time=self.time or roles.get("time"),
                past=self.past or roles.get("past", ()),
                known=self.known or roles.get("known", ()),
            )
            panel, _ = read_panel([table], found)
            self._single = False
            return panel, found.settings()
        return self._arrays(X, before), {}

    def _arrays(self, X: Any, before: Sequence[int] | np.ndarray) -> Panel:
        try:
            if isinstance(X, list | tuple) and len(X) and np.ndim(X[0]) > 0:
                arrays, single = [np.asarray(each, dtype=np.float32) for each in X], False
            else:
                array = np.asarray(X, dtype=np.float32)
                single = array.ndim == 1
                arrays = [array] if single else list(array)
        except (TypeError, ValueError) as fault:
            raise DataError(f"X is {type(X).__name__} ({fault}); it takes numbers") from None
        for place, each in enumerate(arrays):
            if each.ndim != 1 or not len(each) or np.isinf(each).any() or np.isnan(each).all():
                raise DataError(
                    f"series {place} of X has shape {each.shape} or holds no finite value; X takes "
                    "(T,), (N, T), a list of (T_i,), or a table"
                )
        if not arrays:
            raise DataError("X holds no series; give at least one")
        self._single = single
        width = len(str(len(arrays) - 1))
        sequences = Sequences.of([each[:, None] for each in arrays], ("value",))
        begins = [*before, *[0] * len(arrays)]
        times = [np.arange(len(each)) + begin for each, begin in zip(arrays, begins, strict=False)]
        keys = [f"series {place:0{width}}" for place in range(len(arrays))]
        ahead = np.zeros(len(arrays), dtype=np.int64)
        laid = np.concatenate(times).astype(np.float64)
        return Panel(sequences, laid, keys, 0, Frequency(), ahead)

    def _begin(self, panel: Panel) -> None:
        """Forget all series, and read these."""
        self.keys_ = panel.keys
        self._scales = self.preprocess_.scales_of(panel)
        self._read_steps = np.zeros(len(panel), dtype=np.int64)
        self._states: list[State | None] = [None] * len(panel)
        self._outputs: list[Tensor | None] = [None] * len(panel)
        self._advance(panel)

    @torch.inference_mode()
    def _advance(self, panel: Panel) -> None:
        """Read the steps that were not yet read."""
        self._panel = panel
        self._answers: np.ndarray | None = None
        trained = trained_of(self, task.TASK)
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
        trained = trained_of(self, task.TASK)
        outlook: Outlook = trained.preprocess
        if not hasattr(self, "_panel"):
            raise DataError("no series was read yet; give what is known of them by update()")
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
                f"steps={steps} are asked for, and the model looks {horizon} ahead; give 1 to "
                f"{horizon}, or fit with horizon={steps}"
            )
        return steps or horizon

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        return values[0] if self._single else values
