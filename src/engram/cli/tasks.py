"""Training, resuming, evaluating and predicting with the model of any task."""

import csv
import json
import sys
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TextIO

import yaml

from engram.cli import views
from engram.cli.flags import Parser, add_settings, settings_from, shipped_configurations
from engram.cli.outcome import RESULT, describe_outcome, stopped
from engram.cli.progress import make_reporter
from engram.errors import ConfigError, RunError
from engram.files import cannot, write_json
from engram.models.many_to_many import parameter_count
from engram.models.storage import copy_model, has_weights
from engram.tasks import running
from engram.tasks.registry import TASKS
from engram.tasks.starting import model_folder, read_start, starting_values
from engram.tasks.task import Report, Task, Trained
from engram.training.run_folder import RunFolder

_PATHS = ("data", "valid_data", "test_data", "start")


def parser(task: Task) -> Parser:
    """The flags of ``engram train TASK``."""
    shipped = ", ".join(shipped_configurations(task.name)) or "none"
    made = Parser(
        prog=f"engram train {task.name}",
        usage=f"engram train {task.name} {_subject(task)} … [--run-dir DIR] [flags]",
        description=(
            f"Train a recurrent model: {task.summary}.\n\n{task.help}\n\n"
            f"shipped configurations: {shipped}"
        ),
    )
    made.add_argument("--run-dir", metavar="DIR", help="where the run is recorded")
    made.add_argument("--overwrite", action="store_true", help="replace a run that is there")
    made.add_argument("--config", metavar="FILE", help="YAML file, or a shipped configuration")
    made.add_argument(
        "--print-config", action="store_true", help="print all settings as YAML, and do nothing"
    )
    for title, settings in task.groups.items():
        add_settings(made, title, settings)
    return made


def _subject(task: Task) -> str:
    return "--data PATH" if task.names == "data" else f"--{task.names} NAME"


def train(task: Task, argv: list[str]) -> int:
    """Run ``engram train TASK``."""
    flags = parser(task)
    given, unknown = flags.parse_known_args(argv)
    command = ["engram", "train", task.name, *argv]
    return _start(task, vars(given), flags.unknown_faults(unknown), {}, command)


def _start(
    task: Task,
    values: dict[str, Any],
    faults: list[str],
    base: dict[str, Any],
    command: list[str],
) -> int:
    """Start a new run of flags; ``base`` takes the place of defaults."""
    run_dir, overwrite = values.pop("run_dir"), values.pop("overwrite")
    config, print_config = values.pop("config"), values.pop("print_config")
    settings = settings_from(task.settings, values, config, faults, base=base, task=task.name)
    if print_config:
        print(yaml.safe_dump(settings.plain(), sort_keys=False, allow_unicode=True), end="")
        return 0
    settings = settings.model_copy(update=_absolute(settings, task.makes))
    path = Path(run_dir or f"runs/{task.name}-{time.strftime('%Y%m%d-%H%M%S')}")

    def create() -> None:
        config = {"task": task.name} | settings.plain()
        reads = _paths(settings)
        RunFolder.create(path, config, command, overwrite=overwrite, reads=reads)

    return go(task, RunFolder(path), settings, create=create)


def finetune(task: Task, argv: list[str]) -> int:
    """Run ``engram finetune RUN`` for a task: a training that starts from a trained model."""
    if "start" not in task.settings.model_fields:
        raise ConfigError(f"{task.name} does not start from a trained model; train a new one")
    flags = parser(task)
    flags.prog, flags.usage = "engram finetune", f"engram finetune RUN --task {task.name} …"
    flags.add_argument("run", metavar="RUN", help="the folder of a run, or of a saved model")
    flags.add_argument("--task", metavar="TASK", help="of the new training, where it is another")
    given, unknown = flags.parse_known_args(argv)
    values = vars(given)
    values.pop("task")
    base = starting_values(task.name, task.settings, read_start(values.pop("run")))
    return _start(task, values, flags.unknown_faults(unknown), base, ["engram", "finetune", *argv])


def resume(task: Task, run: RunFolder, values: dict[str, Any]) -> int:
    """Go on with a run."""
    return go(task, run, task.settings.checked(values, str(run.config)))


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
    started = getattr(settings, "start", None) is not None
    if started and create is None and has_weights(run.start):  # its own copy
        settings = settings.model_copy(update={"start": str(run.start)})
    data = task.read(settings)
    if create is not None:
        running.prepare(task, settings, data)  # its faults come before a folder is made or replaced
        create()
        if started:
            copy_model(model_folder(settings.start), run.start)
    print("\n".join(data.about), flush=True)
    for warning in data.warnings:
        print(f"warning: {warning}", flush=True)
    reporter = make_reporter(task.unit, task.loss_unit)
    trained, outcome = running.fit(
        task, settings, data, run=run, reporter=reporter, resume=create is None
    )
    parameters = parameter_count(trained.model)
    print(describe_outcome(outcome, parameters))
    if outcome.interrupted:
        return stopped(run)
    result: dict[str, Any] = {
        "updates": outcome.updates,
        "parameters": parameters,
        "seconds": outcome.seconds,
        "valid_loss": outcome.best_loss,
        "best_update": outcome.best_update,
    }
    out = views.console()
    for name, part in (("valid", data.valid), ("test", data.test)):
        if part is not None:
            report = task.evaluate(trained, part)
            result[name] = report.measures
            title = "validation part" if name == "valid" else "test part"
            views.show_report(out, title, report, tables=name == "test" or data.test is None)
    write_json(run.record(RESULT), result)
    files = " --data FILE" if task.reads else ""
    print(
        f"\nnext:\n  engram predict {run.path}{files} --out answers.csv\n"
        f"  engram eval {run.path}{files}\n  engram info {run.path}"
    )
    return 0


def trained_of(run: RunFolder) -> tuple[Task, Trained]:
    """The task of a run, and its best weights.

    Raises:
        RunError: For a run of a task that has no such commands, or a damaged one.
    """
    name = running.task_of(run.model)
    if name not in TASKS:
        raise RunError(
            f"{run.path} is a run of task '{name}', which has no predictions; "
            "'engram --help' shows what there is"
        )
    return TASKS[name], running.load(TASKS[name], run.model)


def evaluate(run: RunFolder, argv: list[str]) -> int:
    """Run ``engram eval`` for a run of a task."""
    task, trained = trained_of(run)
    flags = Parser(
        prog=f"engram eval {run.path}",
        description=f"Measure how well the best weights of {run.path} do on other data.",
    )
    add_settings(flags, "data", task.judging)
    flags.add_argument("--json", metavar="FILE", help="write the figures there too")
    given, unknown = flags.parse_known_args(argv)
    values = vars(given)
    path = values.pop("json")
    judging = settings_from(task.judging, values, None, flags.unknown_faults(unknown))
    report: Report = task.judge(trained, judging)
    data = values["data"] if task.reads else f"fresh {getattr(trained.settings, task.names)}"
    views.show_report(views.console(), data if isinstance(data, str) else ", ".join(data), report)
    if path is not None:
        write_json(Path(path), report.measures)
    return 0


def predict(run: RunFolder, argv: list[str]) -> int:
    """Run ``engram predict`` for a run of a task."""
    task, trained = trained_of(run)
    flags = Parser(
        prog=f"engram predict {run.path}",
        description=(
            f"Predict with the best weights of {run.path}: {task.summary}.\n\n"
            f"  engram predict {run.path}{' --data FILE' if task.reads else ''} --out answers.csv"
        ),
    )
    add_settings(flags, "data", task.asking)
    flags.add_argument(
        "--out", metavar="FILE", help=".csv or .jsonl; default prints CSV on the terminal"
    )
    given, unknown = flags.parse_known_args(argv)
    values = vars(given)
    out = values.pop("out")
    asking = settings_from(task.asking, values, None, flags.unknown_faults(unknown))
    rows = task.predict(trained, asking)
    if out is None:
        _write_csv(sys.stdout, rows)
        return 0
    path = Path(out)
    if path.suffix not in (".csv", ".jsonl"):
        raise ConfigError(f"--out {path} ends in neither .csv nor .jsonl; name one that does")
    try:
        with open(path, "w", encoding="utf-8", newline="") as file:
            count = _write_csv(file, rows) if path.suffix == ".csv" else _write_lines(file, rows)
    except OSError as error:
        raise RunError(cannot("write", path, error)) from error
    print(f"{count:,} answers in {path}")
    return 0


def _write_csv(file: TextIO, rows: Iterator[dict[str, Any]]) -> int:
    writer: csv.DictWriter[str] | None = None
    count = 0
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow({name: _plain(value) for name, value in row.items()})
        count += 1
    return count


def _write_lines(file: TextIO, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        count += 1
    return count


def _plain(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


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
