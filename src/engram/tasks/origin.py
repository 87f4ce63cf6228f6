"""What trained a run or a model: a task, or an estimator that is not one."""

from pathlib import Path
from typing import Any

from engram.errors import RunError
from engram.models.storage import has_weights
from engram.tasks.registry import OUTLINES

ECHO_STATE = "echo-state"
"""What runs and models of `engram.EchoState` store instead of a task."""

NOT_TASKS = {ECHO_STATE: "EchoState"}
"""Estimators that fit a model of their own, by the name that their runs and models store."""

IN_MEMORY = "X"
"""What the settings of an estimator's run name as data: they were given in Python."""


def origin_of(config: dict[str, Any]) -> str:
    """The name that a model's ``config.json`` stores; echo state networks once stored none."""
    unnamed = "task" not in config and ("estimator" in config or "spectral_radius" in config)
    return ECHO_STATE if unnamed else str(config.get("task"))


def trainer_of(name: str) -> str:
    """What users call the task or the estimator of a name."""
    return f"engram.{NOT_TASKS[name]}" if name in NOT_TASKS else name


def require_task_of(name: str, folder: Path, model: Path) -> None:
    """Check that a run or a model is one of a task of this version.

    Args:
        name: What it stores.
        folder: The run or the model, for messages.
        model: The model folder.

    Raises:
        RunError: If not; the message says what can be done with it.
    """
    if name in OUTLINES:
        return
    if name not in NOT_TASKS:
        raise RunError(
            f"{folder} is of task '{name}', which this version of Engram does not have; "
            "'engram train --help' lists its tasks"
        )
    if not has_weights(model):
        raise RunError(
            f"{folder} is an unfinished run of {trainer_of(name)}, which writes no checkpoints; "
            "call fit() again with another run_dir"
        )
    raise RunError(
        f"{folder} was trained by {trainer_of(name)}, which is not a task; use it in Python with "
        f"{trainer_of(name)}.load({str(model)!r})"
    )


def require_data_on_disk(settings: Any, run: Path) -> None:
    """Check that the data of a run can be read again: those of an estimator were in memory.

    Raises:
        RunError: If not.
    """
    data = getattr(settings, "data", None)
    if isinstance(data, list) and data[:1] == [IN_MEMORY] and not Path(IN_MEMORY).exists():
        raise RunError(
            f"{run} was trained in Python on data in memory, which a run does not contain; give "
            "files with --data to a command that takes them, or fit again in Python"
        )
