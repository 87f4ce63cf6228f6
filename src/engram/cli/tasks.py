"""Training, resuming and fine-tuning the model of any task."""

import argparse
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import yaml

from engram.cli import views
from engram.cli.flags import Parser, add_settings, settings_from, shipped_configurations
from engram.cli.outcome import describe_outcome, stopped
from engram.cli.progress import make_reporter
from engram.diagnosis.memory import measure_memory, write_memory
from engram.errors import ConfigError
from engram.tasks.fitting import Finished, train_run
from engram.tasks.task import Task
from engram.tasks.transfer import FIXED, OWN, RATE_SHARE, read_start, starting_values
from engram.training.run_folder import RunFolder

_PATHS = ("data", "valid_data", "test_data", "start")


def parser(task: Task) -> Parser:
    """The flags of ``engram train TASK``."""
    shipped = ", ".join(shipped_configurations(task.name)) or "none"
    made = Parser(
        prog=f"engram train {task.name}",
        usage=f"engram train {task.name} {_subject(task)} [--run-dir DIR] [flags]",
        description=(
            f"Train a recurrent model: {task.summary}.\n\n{task.help}\n\n"
            f"shipped configurations: {shipped}"
        ),
    )
    _add_run(made)
    made.add_argument("--config", metavar="FILE", help="YAML file, or a shipped configuration")
    for title, settings in task.groups.items():
        add_settings(made, title, settings)
    return made


def finetune_parser(task: Task, default_data: bool) -> Parser:
    """The flags of ``engram finetune RUN`` for a new training of a task.

    Args:
        task: Of the new training.
        default_data: Whether other settings than those of the data come from RUN.
    """
    made = Parser(
        prog="engram finetune",
        usage="engram finetune RUN --data PATH … [--task TASK] [--run-dir DIR] [flags]",
        description=(
            "Train a trained model on other data, in a new run that starts from its weights.\n\n"
            "  engram finetune runs/notes --data letters.txt --run-dir runs/letters\n"
            "  engram finetune runs/notes --data letters.txt --freeze parietal "
            "--rate temporal=0.1\n"
            "  engram finetune runs/notes --data letters.txt --unfreeze-every 200 "
            "--rate-decay 2.6\n"
            "  engram finetune runs/notes --task classify --data reviews.csv --freeze parietal\n\n"
            "Regions are parts of the model: 'engram anatomy RUN' shows them. Where the new text\n"
            "holds tokens that the model does not know, a new vocabulary is learnt: head and\n"
            "embedding keep the rows of all tokens in both, and the others are re-initialised."
        ),
    )
    made.add_argument("run", metavar="RUN", help="the folder of a run, or of a saved model")
    made.add_argument("--task", metavar="TASK", help="of the new training, where it is another")
    _add_run(made)
    names = {name for settings in task.groups.values() for name in settings.model_fields}
    defaults = dict.fromkeys(names - set(OWN), "that of RUN") if default_data else {}
    defaults["data"] = "none; must be given"
    made.add_argument_group("rate").add_argument(
        "--rate",
        action="extend",
        nargs="+",
        metavar="X|REGION=X",
        default=argparse.SUPPRESS,
        help=f"learning rate (default: {RATE_SHARE} × that of RUN), or as --rates",
    )
    without = (*FIXED, "rate", "start")
    for title, settings in task.groups.items():
        add_settings(made, title, settings, without=without, defaults=defaults)
    return made


def _add_run(made: Parser) -> None:
    made.add_argument("--run-dir", metavar="DIR", help="where the run is recorded")
    made.add_argument("--overwrite", action="store_true", help="replace a run that is there")
    made.add_argument(
        "--print-config", action="store_true", help="print all settings as YAML, and do nothing"
    )


def _subject(task: Task) -> str:
    needed = task.settings.model_fields[task.names].is_required()
    shown = "--data PATH …" if task.names == "data" else f"--{task.names} NAME …"
    return shown if needed else f"[{shown}]"


def train(task: Task, argv: list[str]) -> int:
    """Run ``engram train TASK``."""
    flags = parser(task)
    given, unknown = flags.parse_known_args(argv)
    values = vars(given)
    run_dir = values.pop("run_dir") or f"runs/{task.name}-{_now()}"
    command = ["engram", "train", task.name, *argv]
    return _start(task, values, flags.unknown_faults(unknown), {}, Path(run_dir), command)


def finetune(task: Task, argv: list[str], of: str) -> int:
    """Run ``engram finetune RUN``: a training that starts from a trained model.

    Args:
        task: Of the new training.
        argv: What was typed after ``engram finetune``.
        of: The name of the trained model's task.
    """
    if "start" not in task.settings.model_fields:
        raise ConfigError(f"{task.name} does not start from a trained model; train a new one")
    flags = finetune_parser(task, default_data=of == task.name)
    given, unknown = flags.parse_known_args(argv)
    values = vars(given)
    values.pop("task")
    source = Path(values.pop("run"))
    start = read_start(str(source))
    base = starting_values(task.name, task.settings, start)
    base |= {"start": str(Path(start.name).absolute())}
    faults = [*flags.unknown_faults(unknown), *_split_rate(values)]
    if "data" not in values:
        faults.append("--data is missing: name the data to train on")
    path = Path(values.pop("run_dir") or f"runs/finetune-{_now()}")
    if path.resolve() in (source.resolve(), Path(start.name).resolve()):
        faults.append(f"--run-dir {path} is the run that is started from; name another folder")
    values["config"] = None
    return _start(task, values, faults, base, path, ["engram", "finetune", *argv])


def _start(
    task: Task,
    values: dict[str, Any],
    faults: list[str],
    base: dict[str, Any],
    path: Path,
    command: list[str],
) -> int:
    """Start a new run of flags; ``base`` takes the place of defaults."""
    overwrite, print_config = values.pop("overwrite"), values.pop("print_config")
    config = values.pop("config")
    settings = settings_from(task.settings, values, config, faults, base=base, task=task.name)
    if print_config:
        print(yaml.safe_dump(settings.plain(), sort_keys=False, allow_unicode=True), end="")
        return 0
    return start(task, settings, path, command, overwrite=overwrite)


def start(task: Task, settings: Any, path: Path, command: list[str], *, overwrite: bool) -> int:
    """Start a new run."""
    settings = settings.model_copy(update=_absolute(settings, task.makes))

    def create() -> None:
        config = {"task": task.name} | settings.plain()
        reads = _paths(settings)
        RunFolder.create(path, config, command, overwrite=overwrite, reads=reads)

    return go(task, RunFolder(path), settings, create=create)


def go(
    task: Task, run: RunFolder, settings: Any, *, create: Callable[[], None] | None = None
) -> int:
    """Train to the end, then measure; or stop where the user stops it.

    Args:
        task: What is trained.
        run: The run.
        settings: Its settings.
        create: Makes the folder of a new run; None goes on with one that is there.
    """
    shown: list[Callable[[], None]] = []

    def measure(finished: Finished) -> None:
        if task.probe is None or not task.diagnosed:
            return
        probe = task.probe(finished.trained, finished.data.held_out)
        memory = measure_memory(finished.trained.model, probe)
        write_memory(run, memory)
        shown.append(lambda: views.show_memory(views.console(), memory, probe.unit))

    finished = train_run(
        task, settings, run, create=create, reporter=make_reporter(task.unit), measure=measure
    )
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


def _now() -> str:
    return time.strftime("%Y%m%d-%H%M%S")


def _split_rate(values: dict[str, Any]) -> list[str]:
    """Take factors of regions out of ``--rate``; says what is wrong with it."""
    given = [part for text in values.pop("rate", []) for part in text.split(",") if part]
    factors = [part for part in given if "=" in part]
    rates = [part for part in given if "=" not in part]
    if factors:
        values["rates"] = [*values.get("rates", []), *factors]
    if rates:
        values["rate"] = rates[-1]
    if len(rates) > 1:
        return [f"--rate names {' and '.join(rates)}; it takes one rate, and factors REGION=X"]
    return []


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
