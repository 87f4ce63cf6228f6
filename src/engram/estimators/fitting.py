"""Fitting: what estimators of tasks do alike, from settings and data to fitted names."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from engram.tasks import fitting
from engram.tasks.task import Data, Task, Trained
from engram.tasks.transfer import Start
from engram.training.loop import Outcome
from engram.training.reporting import Reporter
from engram.training.run_folder import RunFolder


def fit(
    estimator: BaseEstimator,
    task: Task,
    settings: Any,
    data: Data,
    *,
    start: Trained | None = None,
    reporter: Reporter | None = None,
    run_dir: str | Path | None = None,
    method: str = "fit",
) -> Outcome:
    """Train, and set ``module_``, ``preprocess_``, ``settings_`` and ``valid_loss_``.

    The global random state is left as it was.

    Args:
        estimator: What is fitted.
        task: Whose model it has.
        settings: Of the training.
        data: As the task makes them.
        start: A trained model to start from.
        reporter: Who is told how it goes.
        run_dir: Where the training is recorded, or None.
        method: What was called.

    Raises:
        ConfigError, DataError: As `fitting.prepare`, before a folder is made.
        RunError: For a folder that cannot be written.
        NumericsError: When training diverges.
    """
    begun = None if start is None else Start.of(start)
    fitting.prepare(task, settings, data, begun)
    run = None
    if run_dir is not None:
        config = {"task": task.name} | settings.plain()
        command = [f"engram.{type(estimator).__name__}.{method}"]
        run = RunFolder.create(Path(run_dir), config, command)
        if start is not None:
            fitting.save(run.start, start)
    held = nullcontext() if run is None else run.held()
    with torch.random.fork_rng(devices=[]), held:
        trained, outcome = fitting.fit(
            task, settings, data, run=run, reporter=reporter, start=begun
        )
        if run is not None and not outcome.interrupted:
            fitting.conclude(task, fitting.Finished(trained, data, outcome, {}), run)
    estimator.valid_loss_ = outcome.best_loss
    estimator.n_iter_ = outcome.updates
    take(estimator, trained)
    return outcome


def take(estimator: BaseEstimator, trained: Trained) -> None:
    """Make an estimator one that is fitted."""
    estimator.module_ = trained.model
    estimator.preprocess_ = trained.preprocess
    estimator.settings_ = trained.settings


def trained_of(estimator: BaseEstimator, task: Task) -> Trained:
    """What an estimator fitted.

    Raises:
        NotFittedError: Before it did.
    """
    check_is_fitted(estimator, "module_")
    return Trained(task.name, estimator.module_, estimator.preprocess_, estimator.settings_)


def loaded(kind: type[BaseEstimator], task: Task, path: str | Path) -> Any:
    """A fitted estimator of a folder that its ``save``, or a training, wrote.

    Raises:
        RunError: Where it is missing or damaged.
    """
    trained = fitting.load(task, Path(path))
    stored = trained.settings.plain()
    names = set(kind._get_param_names()) & set(stored)
    estimator = kind(**{n: stored[n] for n in names}, random_state=trained.settings.seed)
    take(estimator, trained)
    return estimator


def values_of(estimator: BaseEstimator) -> dict[str, Any]:
    """The parameters of an estimator as values of settings."""
    values: dict[str, Any] = estimator.get_params()
    values.pop("run_dir")
    values["seed"] = values.pop("random_state")
    if "zoneout" in values:
        values["zoneout"] = values["zoneout"] or {}
    return values | {"data": ["X"]}
