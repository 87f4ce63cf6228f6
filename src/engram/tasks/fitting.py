"""Training, saving and loading the model of any task."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from engram.errors import ConfigError, DataError, RunError
from engram.models.many_to_many import parameter_count
from engram.models.storage import (
    copy_model,
    has_weights,
    load_description,
    load_weights,
    save_description,
    save_weights,
)
from engram.records import Report, Result
from engram.settings import Settings
from engram.tasks.origin import origin_of, require_data_on_disk, require_task_of
from engram.tasks.task import Data, Task, Trained
from engram.tasks.transfer import Start, adopt, describe_start, model_folder, read_start
from engram.training import parallel
from engram.training.checkpoint import Checkpoint
from engram.training.device import resolve
from engram.training.groups import tuning_of
from engram.training.loop import Outcome, train
from engram.training.penalties import Penalties
from engram.training.reporting import Prepared, Reporter
from engram.training.run_folder import RunFolder
from engram.training.source import planned_updates

# Settings that may change while a training goes on: what they name is checked by itself.
_FREE = ("data", "valid_data", "test_data", "start", "threads", "device")


def build(task: Task, settings: Any, preprocess: Any) -> nn.Module:
    """Make the untrained model that the settings describe, from their seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(settings.seed)  # of the CPU alone
        return task.build(settings, preprocess)


def begin(
    task: Task, settings: Any, data: Data, start: Start | None = None
) -> tuple[nn.Module, list[str]]:
    """Make the model as it is before the first update.

    Args:
        task: Whose model.
        settings: Of the training, which may name a trained model to start from.
        data: As the task reads them.
        start: A trained model to start from, instead of the one that the settings name.

    Returns:
        The model, and what it starts from, one line each.

    Raises:
        ConfigError: For a trained model that does not fit.
        RunError: For one that is missing or damaged.
    """
    model = build(task, settings, data.preprocess)
    named = getattr(settings, "start", None)
    if start is None and named is not None:
        start = read_start(named)
    if start is None:
        return model, []
    adopted = adopt(start, model, data.preprocess.plain())
    return model, describe_start(start, adopted, model, settings)


def prepare(
    task: Task, settings: Any, data: Data, start: Start | None = None
) -> tuple[nn.Module, list[str]]:
    """Make the model as `begin` does, and find every fault before a run is written.

    Raises:
        ConfigError: For settings that contradict each other, the model or the data.
        DataError: For data that are too few.
        RunError: As `begin`.
    """
    settings.require_consistent()
    resolve(settings.device)
    if settings.patience is not None and data.valid is None:
        raise ConfigError(
            f"patience={settings.patience} needs a validation set, but there is none; give a "
            "fraction with --valid, or leave out --patience"
        )
    source = task.source(settings, data)
    model, about = begin(task, settings, data, start)
    tuning_of(model, settings, planned_updates(source, settings.epochs, settings.max_updates))
    Penalties(model, settings)
    return model, about


def fit(
    task: Task,
    settings: Any,
    data: Data,
    *,
    run: RunFolder | None = None,
    reporter: Reporter | None = None,
    resume: bool = False,
    start: Start | None = None,
) -> tuple[Trained, Outcome]:
    """Train a model, from scratch or from a run's last checkpoint.

    Args:
        task: Whose model.
        settings: Of data, model and training.
        data: As the task reads them.
        run: The run folder to write to; None writes nothing.
        reporter: Who is told.
        resume: Go on from the run's last checkpoint.
        start: As in `begin`.

    Raises:
        ConfigError, DataError: As `prepare`.
        RunError: For a run folder that cannot be written, or whose data are not the same any more.
        NumericsError: When training diverges.
    """
    reporter = reporter or Reporter()
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    model, about = prepare(task, settings, data, start)
    unit = data.unit or task.unit
    reporter.prepared(Prepared([*data.about, *about], data.warnings, unit, task.loss_unit))
    checkpoint = None
    if resume and run is not None:
        checkpoint, notice = run.load()
        if notice:
            reporter.notice(notice)
        if checkpoint is not None:
            _require_same(run, checkpoint, settings, data)
    device = _device(settings, checkpoint, reporter)
    model.to(device)
    trained = Trained(task.name, model, data.preprocess, settings)
    writes = run is not None and parallel.rank() == 0
    if run is not None and writes:
        save_description(run.model, *_description(trained))
    outcome = train(
        model,
        task.source(settings, data),
        settings,
        objective=task.objective(settings, data),
        evaluate=None if data.valid is None else lambda m: task.loss(m, settings, data),
        run=run,
        reporter=reporter,
        checkpoint=checkpoint,
        facts={"data": data.digest, "settings": settings.plain(), "device": device.type},
    )
    model.eval()
    if task.finish is not None and not outcome.interrupted:
        task.finish(trained, data)
        if run is not None and writes:
            save_weights(run.model, model.state_dict())
    return trained, outcome


def _device(settings: Any, checkpoint: Checkpoint | None, reporter: Reporter) -> torch.device:
    """Where a training computes; ``auto`` stays on the CPU where it began there."""
    asked: str = settings.device
    if checkpoint is None:
        return resolve(asked)
    before = checkpoint.facts.get("device", "cpu")  # earlier versions had no other
    device = resolve("cpu" if asked == "auto" and before == "cpu" else asked)
    if device.type != before:
        reporter.notice(
            f"training began on {before} and continues on {device.type}, so its numbers are not "
            "bit for bit those of a training that never stopped"
        )
    return device


def read_again(task: Task, settings: Any, run: RunFolder) -> Data:
    """Read the data of a run that is there; what it started from is read from its own copy.

    The settings themselves, and what is written, name what was typed: equal runs are equal files.

    Raises:
        DataError, RunError: As the task's ``read``, or for data that were in memory.
    """
    require_data_on_disk(settings, run.path)
    own = _own_start(settings, run)
    return task.read(settings if own is None else settings.model_copy(update={"start": own}))


def initial_model(task: Task, trained: Trained, run: RunFolder) -> nn.Module:
    """The model of a run as it was before its first update.

    Raises:
        ConfigError, RunError: As `begin`.
    """
    model = build(task, trained.settings, trained.preprocess)
    named = _own_start(trained.settings, run) or getattr(trained.settings, "start", None)
    if named is not None:
        adopt(read_start(named), model, trained.preprocess.plain())
    return model


def _own_start(settings: Any, run: RunFolder) -> str | None:
    """The run's own copy of the trained model that it started from, where it has one."""
    named = getattr(settings, "start", None)
    return str(run.start) if named is not None and has_weights(run.start) else None


def _require_same(run: RunFolder, checkpoint: Checkpoint, settings: Any, data: Data) -> None:
    """See that a training goes on as it began.

    Raises:
        RunError: If its data or its settings are not the same any more.
    """
    if checkpoint.facts.get("data") != data.digest:
        raise RunError(
            f"the data of {run.path} have changed since the run was started; restore them, or "
            "train a new run"
        )
    before = checkpoint.facts.get("settings")
    if not isinstance(before, dict):  # of a version that did not keep them
        return
    now = settings.plain()
    changed = [
        f"{name} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if name not in _FREE and before.get(name) != now.get(name)
    ]
    if changed:
        raise RunError(
            f"{run.config} was edited after training started: {'; '.join(changed[:4])}; undo the "
            "change, or train a new run"
        )


@dataclass(frozen=True)
class Finished:
    """What a run came to.

    Attributes:
        trained: The model, with its best weights.
        data: What it was trained on.
        outcome: How its training ended.
        reports: How good it is on each part that was held out; empty where training was stopped.
    """

    trained: Trained
    data: Data
    outcome: Outcome
    reports: dict[str, Report]

    @property
    def parameters(self) -> int:
        """How many numbers the model learns."""
        return parameter_count(self.trained.model)


def train_run(
    task: Task,
    settings: Any,
    run: RunFolder,
    *,
    create: Callable[[], object] | None = None,
    reporter: Reporter | None = None,
    measure: Callable[[Finished], None] | None = None,
) -> Finished | None:
    """Train to the end, or until it is stopped; then evaluate, and write the result.

    The result is written last: a run that has one is finished, records included. Of several
    processes, the first one evaluates and writes.

    Args:
        task: What is trained.
        settings: Its settings.
        run: Where it is recorded.
        create: Makes the folder of a new run, after all faults were found; None goes on with a run
            that is there.
        reporter: Who is told.
        measure: Takes further records of a model that is trained.

    Returns:
        What the run came to; None in all processes but the first.

    Raises:
        ConfigError, DataError, RunError, NumericsError: As `fit` and the task's ``read``.
    """
    device = resolve(settings.device)  # its fault comes before data are read
    named = getattr(settings, "start", None)
    own = _own_start(settings, run) if create is None else None
    with ExitStack() as until_the_end:
        with parallel.process_group(device):
            first = parallel.rank() == 0
            data = task.read(settings) if create is not None else read_again(task, settings, run)
            if create is not None:
                prepare(task, settings, data)  # its faults come before a folder is made or replaced
            if create is not None and first:
                create()
            if first:
                until_the_end.enter_context(run.held())
                if named is not None and not has_weights(run.start):
                    # also where a kill came between the folder and the copy
                    copy_model(model_folder(named), run.start)
            trained, outcome = fit(
                task,
                settings,
                data,
                run=run,
                reporter=reporter if first else None,
                resume=create is None,
                start=None if own is None else read_start(own),
            )
        if not first:
            return None
        finished = Finished(trained, data, outcome, {})
        if not outcome.interrupted:
            with parallel.alone():
                conclude(task, finished, run, measure)
    return finished


def conclude(
    task: Task,
    finished: Finished,
    run: RunFolder,
    measure: Callable[[Finished], None] | None = None,
) -> None:
    """Evaluate a model that is trained on what was held out, and write the result.

    Args:
        task: Whose model.
        finished: Gets the reports.
        run: Where the result is written, after all other records.
        measure: Takes further records.

    Raises:
        RunError: If the result cannot be written.
    """
    trained, data, outcome = finished.trained, finished.data, finished.outcome
    for name, part in (("valid", data.valid), ("test", data.test)):
        if part is not None:
            finished.reports[name] = task.evaluate(trained, part)
    if measure is not None:
        measure(finished)
    run.write(
        Result(
            updates=outcome.updates,
            parameters=finished.parameters,
            valid_loss=outcome.best_loss,
            best_update=outcome.best_update,
            reports=finished.reports,
        )
    )


def save(folder: Path, trained: Trained, beside: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Write a model folder; see `models.storage`.

    Args:
        folder: Where.
        trained: The model.
        beside: What its ``config.json`` holds beside task and settings.
    """
    config, preprocess = _description(trained)
    save_description(folder, config | dict(beside), preprocess)
    save_weights(folder, trained.model.state_dict())


def load(task: Task, folder: Path) -> Trained:
    """Read a model folder that `fit` or `save` wrote.

    Raises:
        RunError: If it is missing, damaged, or of another task.
    """
    config, plain = load_description(folder)
    if config.get("task") != task.name:
        raise RunError(
            f"{folder} contains a model of task {config.get('task')!r}, not '{task.name}'"
        )
    if not isinstance(config.get("settings"), dict):
        raise RunError(f"{folder} is damaged: its config.json contains no settings; restore it")
    settings: Settings = task.settings.checked(config["settings"], str(folder), stored=True)
    try:
        preprocess = task.preprocess_from(plain)
        model = build(task, settings, preprocess)
    except DataError as error:
        raise RunError(f"{folder}: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as e:
        said = " ".join(str(e).split())[:200]
        raise RunError(f"{folder} is damaged ({type(e).__name__}: {said}); restore it") from None
    load_weights(folder, model)
    model.eval()
    return Trained(task.name, model, preprocess, settings)


def task_of(folder: Path) -> str:
    """The name of the task of a model folder.

    Raises:
        RunError: If there is no model, it is damaged, or it is of no task of this version.
    """
    name = origin_of(load_description(folder)[0])
    require_task_of(name, folder, folder)
    return name


def _description(trained: Trained) -> tuple[dict[str, Any], dict[str, Any]]:
    config = {"task": trained.task, "settings": trained.settings.plain()}
    return config, trained.preprocess.plain()
