"""Training, resuming and fine-tuning the model of any task."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from engram.cli import views
from engram.cli.outcome import describe_outcome, stopped
from engram.cli.progress import make_reporter
from engram.diagnosis.memory import measure_memory, write_memory
from engram.tasks.fitting import Finished, train_run
from engram.tasks.task import Task
from engram.training.reporting import Reporters
from engram.training.run_folder import RunFolder
from engram.training.tensorboard import FOLDER, TensorBoard

_PATHS = ("data", "valid_data", "test_data", "start")


def start(
    task: Task,
    settings: Any,
    path: Path,
    command: list[str],
    *,
    overwrite: bool,
    tensorboard: bool = False,
) -> int:
    """Start a new run."""
    settings = settings.model_copy(update=_absolute(settings, task.makes))

    def create() -> None:
        config = {"task": task.name} | settings.plain()
        reads = _paths(settings)
        RunFolder.create(path, config, command, overwrite=overwrite, reads=reads)

    return go(task, RunFolder(path), settings, create=create, tensorboard=tensorboard)


def go(
    task: Task,
    run: RunFolder,
    settings: Any,
    *,
    create: Callable[[], None] | None = None,
    tensorboard: bool = False,
) -> int:
    """Train to the end, then measure; or stop where the user stops it.

    Args:
        task: What is trained.
        run: The run.
        settings: Its settings.
        create: Makes the folder of a new run; None goes on with one that is there.
        tensorboard: Whether event files are written.
    """
    reporter = make_reporter(task.unit)
    if tensorboard:
        reporter = Reporters(reporter, TensorBoard(run.path / FOLDER))
    shown: list[Callable[[], None]] = []

    def measure(finished: Finished) -> None:
        if task.probe is None or not task.diagnosed:
            return
        probe = task.probe(finished.trained, finished.data.held_out)
        memory = measure_memory(finished.trained.model, probe)
        write_memory(run, memory)
        shown.append(lambda: views.show_memory(views.console(), memory, probe.unit))

    finished = train_run(task, settings, run, create=create, reporter=reporter, measure=measure)
    if finished is None:  # another process than the first
        return 0
    print(describe_outcome(finished.outcome, finished.parameters))
    if finished.outcome.interrupted:
        return stopped(run)
    for name, report in finished.reports.items():
        title = "validation part" if name == "valid" else "test part"
        tables = name == "test" or "test" not in finished.reports
        views.show_report(views.console(), title, report, tables=tables)
    for show in shown:
        show()
    print("\nnext:\n" + "\n".join(f"  {step}" for step in task.steps_after(str(run.path))))
    return 0


def _paths(settings: Any) -> list[str]:
    """Everything on disk that the settings name."""
    given = [getattr(settings, name, None) or [] for name in _PATHS]
    return [path for one in given for path in ([one] if isinstance(one, str) else one)]


def _absolute(settings: Any, makes: Collection[str]) -> dict[str, str | list[str]]:
    """Paths that also hold in another folder, so that a run can be resumed from anywhere.

    Args:
        settings: Which name paths.
        makes: Names that are no paths.
    """

    def absolute(path: str) -> str:
        return path if path in makes else str(Path(path).absolute())

    given = {name: getattr(settings, name, []) for name in _PATHS}
    return {
        name: absolute(paths) if isinstance(paths, str) else [absolute(path) for path in paths]
        for name, paths in given.items()
        if paths
    }
