"""The tasks by name."""

from engram.errors import ConfigError, did_you_mean
from engram.tasks import (
    caption,
    classify,
    forecast,
    language_model,
    polyphonic,
    regress,
    synthetic,
    tag,
    translate,
)
from engram.tasks.task import Task

_TASKS = (
    language_model.TASK,
    classify.TASK,
    regress.TASK,
    tag.TASK,
    forecast.TASK,
    polyphonic.TASK,
    translate.TASK,
    caption.TASK,
    synthetic.TASK,
)
TASKS: dict[str, Task] = {task.name: task for task in _TASKS}


def task_by_name(name: str) -> Task:
    """The task of a name in `TASKS`.

    Raises:
        ConfigError: For another name.
    """
    if name not in TASKS:
        raise ConfigError(f"'{name}' is not a task: {did_you_mean(name, TASKS)}")
    return TASKS[name]
