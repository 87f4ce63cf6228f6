"""Task estimators: fit the model of a task, save it and load it."""

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from engram.errors import EngramWarning
from engram.estimators.base import Estimator
from engram.estimators.stored import ESTIMATORS, KEY, Fitted, require_kind
from engram.models.storage import load_description
from engram.tasks import fitting
from engram.tasks.origin import IN_MEMORY
from engram.tasks.task import Data, Task, Trained
from engram.tasks.transfer import Start
from engram.training.device import resolve
from engram.training.loop import Outcome
from engram.training.reporting import Reporter
from engram.training.run_folder import RunFolder


@dataclass(kw_only=True, eq=False, repr=False)
class TaskEstimator(Estimator):
    """Base class of the estimators that fit the model of a task; a subclass names the task.

    Attributes:
        module_, preprocess_, settings_, seed_, valid_loss_, n_iter_: See the subclasses.
    """

    task: ClassVar[Task]
    fixed: ClassVar[Mapping[str, Any]] = {"data": [IN_MEMORY], "test": 0.0}
    """Settings of the task that are not parameters."""

    cell: str = "lstm"
    hidden: int = 64
    layers: int = 1
    dropout: float = 0.0
    forget_bias: float | None = None
    epochs: int = 20
    optimizer: str = "adamw"
    rate: float = 3e-3
    schedule: str = "cosine"
    clip_norm: float | None = 1.0
    weight_decay: float = 0.0
    patience: int | None = None
    device: str = "cpu"

    @property
    def n_updates_(self) -> int | None:
        """Alias of ``n_iter_``."""
        return self.n_iter_

    def save(self, path: str | Path) -> None:
        """Save the fitted model to a folder, in the format of a run's ``model/``.

        Raises:
            NotFittedError: Before `fit`.
            RunError: If it cannot be written.
        """
        fitting.save(Path(path), self._trained(), {KEY: self._fitted().plain()})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load a model from a folder written by `save` or by training (``RUN/model``).

        Raises:
            ConfigError: For settings that this version does not know.
            RunError: If it is missing, damaged, or belongs to another estimator.
        """
        folder = Path(path)
        config, _ = load_description(folder)
        require_kind(ESTIMATORS[cls.task.name], config, folder)
        trained, fitted = fitting.load(cls.task, folder), Fitted.read(config, folder)
        stored = trained.settings.plain()
        defaults = cls().get_params()
        parameters = {name: stored[name] for name in defaults.keys() & stored.keys()}
        for name, value in parameters.items():
            if isinstance(defaults[name], tuple):
                parameters[name] = tuple(value)
            elif defaults[name] is None and value == {}:  # settings given by name
                parameters[name] = None
        estimator = cls(**parameters, random_state=trained.settings.seed)
        estimator._take(trained, fitted)
        return estimator

    def _settings(self, **inferred: Any) -> Any:
        """Turn the parameters into settings of the task, and draw a seed.

        Args:
            **inferred: Settings inferred from the data.

        Raises:
            ConfigError: For invalid parameters; the message names all of them.
        """
        values = self.get_params(deep=False)
        names = self.task.settings.model_fields
        values = {
            name: list(value) if isinstance(value, tuple | np.ndarray) else value
            for name, value in values.items()
            if name in names
        }
        if values.get("zoneout", 0) is None:
            values["zoneout"] = {}
        values |= {name: value for name, value in self.fixed.items() if name in names}
        values |= {"seed": self._draw_seed()}
        return self.task.settings.checked(values | inferred, type(self).__name__)

    def _fit(
        self,
        settings: Any,
        data: Data,
        *,
        reporter: Reporter | None = None,
        run_dir: str | Path | None = None,
        start: Trained | None = None,
        method: str = "fit",
        classes: Any = None,
    ) -> Self:
        """Train and set the fitted attributes; the global random state is preserved.

        Args:
            settings: Settings of the training.
            data: Data in the task's format.
            reporter: Receives progress.
            run_dir: Folder in which to record the training, or None.
            start: A trained model to start from.
            method: The method that was called.
            classes: Classes of the labels, with their type; see `Classes`.

        Raises:
            ConfigError, DataError: As in `fitting.prepare`, before a folder is created.
            RunError: For a folder that cannot be written.
            NumericsError: When training diverges.
        """
        begun = None if start is None else Start.of(start)
        fitting.prepare(self.task, settings, data, begun)
        for text in [*data.warnings, *_without_validation(settings, data)]:
            warnings.warn(text, EngramWarning, stacklevel=3)
        run = None
        if run_dir is not None:
            config = {"task": self.task.name} | settings.plain()
            command = [f"engram.{type(self).__name__}.{method}"]
            run = RunFolder.create(Path(run_dir), config, command)
            if start is not None:
                fitting.save(run.start, start)
        held = nullcontext() if run is None else run.held()
        device = resolve(settings.device)
        others = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=others), held:
            trained, outcome = fitting.fit(
                self.task, settings, data, run=run, reporter=reporter, start=begun
            )
            fitted = Fitted(n_iter=outcome.updates, valid_loss=outcome.best_loss, classes=classes)
            if run is not None and not outcome.interrupted:
                fitting.save(run.model, trained, {KEY: fitted.plain()})
                fitting.conclude(self.task, fitting.Finished(trained, data, outcome, {}), run)
        self._take(trained, fitted)
        if outcome.interrupted:
            warnings.warn(_interrupted(outcome), ConvergenceWarning, stacklevel=3)
        return self

    def _take(self, trained: Trained, fitted: Fitted) -> None:
        """Set the fitted attributes; a subclass adds its own."""
        self.module_ = trained.model
        self.preprocess_ = trained.preprocess
        self.settings_ = trained.settings
        self.seed_ = trained.settings.seed
        self.valid_loss_ = fitted.valid_loss
        self.n_iter_ = fitted.n_iter

    def _fitted(self) -> Fitted:
        """What `_take` stored."""
        return Fitted(n_iter=self.n_iter_, valid_loss=self.valid_loss_)

    def _trained(self) -> Trained:
        """The fitted model, in evaluation mode.

        Raises:
            NotFittedError: Before `fit`.
        """
        self._require_fitted()
        return Trained(self.task.name, self.module_, self.preprocess_, self.settings_)


def _without_validation(settings: Any, data: Data) -> list[str]:
    """The warning for a requested validation part that turned out empty."""
    share = getattr(settings, "valid", 0.0)
    if not share or data.valid is not None:
        return []
    return [
        f"valid={share:g} of these data leaves nothing to validate on, so the last weights are "
        "kept; give more data, or valid=0"
    ]


def _interrupted(outcome: Outcome) -> str:
    return (
        f"the fit was interrupted after {outcome.updates:,} updates; the weights are those of that "
        "moment: fit again for all epochs"
    )
