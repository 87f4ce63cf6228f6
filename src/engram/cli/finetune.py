"""``engram finetune RUN``: go on from a trained model, on other data, region by region."""

from pathlib import Path

from engram.cli import tasks
from engram.cli.flags import Parser
from engram.models.storage import CONFIG
from engram.tasks.fitting import task_of
from engram.tasks.registry import TASKS, task_by_name
from engram.training.run_folder import RunFolder


def main(argv: list[str]) -> int:
    """Run ``engram finetune``."""
    chooser = Parser(prog="engram finetune", add_help=False)
    chooser.add_argument("--task")
    asked = chooser.parse_known_args(argv)[0].task
    of = _task_of(argv)
    first = next(name for name, task in TASKS.items() if "start" in task.settings.model_fields)
    # the help, or a fault: the flags of any task tell
    return tasks.finetune(task_by_name(asked or of or first), argv, of or first)


def _task_of(argv: list[str]) -> str | None:
    """The task of the run that is named first; None where none is there."""
    if not argv or argv[0].startswith("-"):
        return None
    path = Path(argv[0])
    model = path if (path / CONFIG).exists() else RunFolder(path).model
    return task_of(model) if (model / CONFIG).exists() else None
