"""``engram finetune RUN``: go on from a trained model, on other data, region by region."""

import argparse
import time
from pathlib import Path
from typing import Any

import yaml

from engram.cli import tasks
from engram.cli.flags import Parser, add_settings, settings_from
from engram.cli.language_model import GROUPS, start
from engram.errors import ConfigError
from engram.models.storage import CONFIG
from engram.tasks.fine_tuning import FIXED, fine_tuning_values
from engram.tasks.language_model import NAME, LanguageModelSettings, load_model
from engram.tasks.registry import TASKS, task_by_name
from engram.tasks.running import task_of
from engram.tasks.starting import OWN, RATE_SHARE
from engram.training.run_folder import RunFolder


def parser() -> Parser:
    """The flags of ``engram finetune``."""
    made = Parser(
        prog="engram finetune",
        usage="engram finetune RUN --data PATH … [--run-dir DIR] [flags]",
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
            "embedding keep the rows of all tokens in both, and the others begin anew."
        ),
    )
    made.add_argument("run", metavar="RUN", help="the folder of a run, or of a saved model")
    made.add_argument("--run-dir", metavar="DIR", help="where the new run is recorded")
    made.add_argument("--overwrite", action="store_true", help="replace a run that is there")
    made.add_argument(
        "--print-config", action="store_true", help="print all settings as YAML, and do nothing"
    )
    names = {name for settings in GROUPS.values() for name in settings.model_fields}
    defaults = dict.fromkeys(names - set(OWN), "that of RUN")
    defaults["data"] = "none; must be given"
    made.add_argument_group("rate").add_argument(
        "--rate",
        action="extend",
        nargs="+",
        metavar="X|REGION=X",
        default=argparse.SUPPRESS,
        help=f"learning rate (default: {RATE_SHARE} × that of RUN), or as --rates",
    )
    for title, settings in GROUPS.items():
        add_settings(made, title, settings, without=(*FIXED, "rate"), defaults=defaults)
    return made


def main(argv: list[str]) -> int:
    """Run ``engram finetune``."""
    name = _other_task(argv)
    if name is not None:
        return tasks.finetune(task_by_name(name), argv)
    flags = parser()
    given, unknown = flags.parse_known_args(argv)
    values = vars(given)
    source, run_dir = Path(values.pop("run")), values.pop("run_dir")
    overwrite, print_config = values.pop("overwrite"), values.pop("print_config")
    model = source if (source / CONFIG).exists() else RunFolder.open(source).model
    before = load_model(model).settings
    faults = [*flags.unknown_faults(unknown), *_split_rate(values)]
    if "data" not in values:
        faults.append("--data is missing: name the text to train on")
    path = Path(run_dir or f"runs/finetune-{time.strftime('%Y%m%d-%H%M%S')}")
    if path.resolve() in (source.resolve(), model.resolve()):
        faults.append(f"--run-dir {path} is the run that is started from; name another folder")
    base = fine_tuning_values(before) | {"start": str(model.absolute())}
    settings = settings_from(LanguageModelSettings, values, None, faults, base=base)
    if print_config:
        print(yaml.safe_dump(settings.plain(), sort_keys=False, allow_unicode=True), end="")
        return 0
    return start(settings, path, ["engram", "finetune", *argv], overwrite=overwrite)


def _other_task(argv: list[str]) -> str | None:
    """The task of the new training, where it is no language model: ``--task``, or the run's."""
    chooser = Parser(prog="engram finetune", add_help=False)
    chooser.add_argument("--task")
    asked = chooser.parse_known_args(argv)[0].task
    if asked == NAME:
        raise ConfigError(
            f"--task {NAME} is for text models alone, and needs no --task; leave it out"
        )
    if asked is not None or not argv or argv[0].startswith("-"):
        return asked
    path = Path(argv[0])
    model = path if (path / CONFIG).exists() else RunFolder(path).model
    known = task_of(model) if (model / CONFIG).exists() else NAME
    return known if known in TASKS else None


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
