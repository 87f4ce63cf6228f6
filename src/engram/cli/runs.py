"""Runs and their models, as commands are given them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engram.cli.flags import Parser, add_device, add_settings, settings_from
from engram.errors import ConfigError, RunError
from engram.tasks import fitting
from engram.tasks.origin import require_task_of
from engram.tasks.registry import TASKS
from engram.tasks.task import Task, Trained
from engram.training.device import resolve
from engram.training.run_folder import RunFolder


def trained_of(run: RunFolder) -> tuple[Task, Trained]:
    """The task of a run, and its best weights.

    Raises:
        RunError: For a damaged run, or one of no task of this version.
    """
    task = TASKS[fitting.task_of(run.model)]
    return task, fitting.load(task, run.model)


def require(task: Task, run: RunFolder, command: str, can: Callable[[Task], Any]) -> None:
    """See that a task can do what a command is for.

    Raises:
        RunError: If it cannot, naming the tasks that can.
    """
    if can(task) is None:
        able = ", ".join(name for name, each in TASKS.items() if can(each) is not None)
        raise RunError(
            f"{run.path} is a run of {task.name}, and 'engram {command}' takes runs of {able}; see "
            f"it with 'engram info {run.path}'"
        )


def move(trained: Trained, device: str) -> None:
    """Move a model to the device that a command names.

    Raises:
        ConfigError: For a device that this machine does not have.
    """
    trained.model.to(resolve(device))


def measured_part(
    flags: Parser, run: RunFolder, task: Task, trained: Trained, argv: list[str]
) -> tuple[Any, bool]:
    """The data that a command measures on, and whether they are the run's own.

    Args:
        flags: Gets the flags that name other data, and the device that the model is moved to.
        run, task, trained: What is measured.
        argv: What was typed after the run.
    """
    add_settings(flags, "data to use instead of the run's own", task.judging)
    add_device(flags)
    given, unknown = flags.parse_known_args(argv)
    faults, values = flags.unknown_faults(unknown), vars(given)
    move(trained, values.pop("device"))
    if values:
        judging = settings_from(task.judging, values, None, faults)
        return task.read_part(trained, judging), False
    if faults:
        raise ConfigError("; ".join(faults))
    return fitting.read_again(task, trained.settings, run).held_out, True


def settings_of(run: RunFolder, device: str | None = None) -> tuple[Task, Any]:
    """The task and the settings of a run that may not have a model yet.

    Args:
        run: The run.
        device: Takes the place of the run's own.

    Raises:
        ConfigError, RunError: For a damaged run, or one of no task of this version.
    """
    values = run.settings()
    if device is not None:
        values["device"] = device
    name = run.task(values)
    require_task_of(name, run.path, run.model)
    task = TASKS[name]
    return task, task.settings.checked(values, str(run.config), stored=True)


def open_run(given: str | Path) -> RunFolder:
    """The run of a folder; see `RunFolder.open`."""
    return RunFolder.open(Path(given))
