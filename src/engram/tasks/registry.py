"""The tasks by name; `language-model` has ways of its own beside them."""

from engram.errors import ConfigError, did_you_mean
from engram.tasks import classify, polyphonic
from engram.tasks.task import Task

TASKS: dict[str, Task] = {task.name: task for task in (classify.TASK, polyphonic.TASK)}


def task_by_name(name: str) -> Task:
    """The task of a name in `TASKS`.

    Raises:
        ConfigError: For another name.
    """
    if name not in TASKS:
        raise ConfigError(f"'{name}' is not a task: {did_you_mean(name, TASKS)}")
    return TASKS[name]
