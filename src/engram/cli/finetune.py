"""``engram finetune RUN``: go on from a trained model, on other data, region by region."""

from pathlib import Path
from typing import Any

from engram.cli.flags import Parser
from engram.cli.train import begin, now
from engram.cli.training_flags import finetune_parser
from engram.errors import ConfigError
from engram.tasks.outlines.outline import Outline
from engram.tasks.registry import OUTLINES, outline_by_name


def main(argv: list[str]) -> int:
    """Run ``engram finetune``."""
    chooser = Parser(prog="engram finetune", add_help=False)
    chooser.add_argument("--task")
    asked = chooser.parse_known_args(argv)[0].task
    of = _task_of(argv)
    first = next(name for name, task in OUTLINES.items() if task.starts)
    # the help, or a fault: the flags of any task tell
    return finetune(outline_by_name(asked or of or first), argv, of or first)


def _task_of(argv: list[str]) -> str | None:
    """The task of the run that is named first; None where none is there."""
    if not argv or argv[0].startswith("-") or not Path(argv[0]).exists():
        return None
    from engram.models.storage import CONFIG
    from engram.tasks.fitting import task_of
    from engram.training.run_folder import RunFolder

    path = Path(argv[0])
    model = path if (path / CONFIG).exists() else RunFolder(path).model
    return task_of(model) if (model / CONFIG).exists() else None


def finetune(task: Outline, argv: list[str], of: str) -> int:
    """Run ``engram finetune RUN``: a training that starts from a trained model.

    Args:
        task: Of the new training.
        argv: What was typed after ``engram finetune``.
        of: The name of the trained model's task.
    """
    if not task.starts:
        raise ConfigError(f"{task.name} cannot start from a trained model; train a new one")
    flags = finetune_parser(task, default_data=of == task.name)
    given, unknown = flags.parse_known_args(argv)
    from engram.tasks.transfer import read_start, starting_values

    values = vars(given)
    values.pop("task")
    source = Path(values.pop("run"))
    start = read_start(str(source))
    base = starting_values(task.name, task.settings, start)
    # a fraction that the trained model was given does not go beside files
    base = {name: value for name, value in base.items() if f"{name}_data" not in values}
    base |= {"start": str(Path(start.name).absolute())}
    faults = [*flags.unknown_faults(unknown), *_split_rate(values)]
    if "data" not in values:
        faults.append("--data is missing: name the data to train on")
    path = Path(values.pop("run_dir") or f"runs/finetune-{now()}")
    if path.resolve() in (source.resolve(), Path(start.name).resolve()):
        faults.append(f"--run-dir {path} is the run to start from; name another folder")
    values["config"] = None
    return begin(task, values, faults, base, path, ["engram", "finetune", *argv])


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
        return [f"--rate names {' and '.join(rates)}; give one rate, and factors as REGION=X"]
    return []
