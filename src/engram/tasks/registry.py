"""The tasks by name: their outlines at once, their code on first use."""

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from engram.errors import ConfigError, did_you_mean
from engram.tasks.outlines import (
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
from engram.tasks.outlines.outline import Outline

if TYPE_CHECKING:
    from engram.tasks.task import Task

_MODULES = (
    language_model,
    classify,
    regress,
    tag,
    forecast,
    polyphonic,
    translate,
    caption,
    synthetic,
)
OUTLINES: dict[str, Outline] = {module.OUTLINE.name: module.OUTLINE for module in _MODULES}


class _Tasks(Mapping[str, "Task"]):
    """The tasks of `OUTLINES`; a task's module, ``engram.tasks.NAME``, loads when it is taken."""

    def __getitem__(self, name: str) -> "Task":
        module = OUTLINES[name].name.replace("-", "_")
        task: Task = importlib.import_module(f"engram.tasks.{module}").TASK
        return task

    def __contains__(self, name: object) -> bool:
        return name in OUTLINES

    def __iter__(self) -> Iterator[str]:
        return iter(OUTLINES)

    def __len__(self) -> int:
        return len(OUTLINES)


TASKS: Mapping[str, "Task"] = _Tasks()


def outline_by_name(name: str) -> Outline:
    """The outline of a task, without its code.

    Raises:
        ConfigError: For another name.
    """
    if name not in OUTLINES:
        raise ConfigError(f"'{name}' is not a task: {did_you_mean(name, OUTLINES)}")
    return OUTLINES[name]
