"""The flags of ``engram train TASK`` and ``engram finetune``."""

import argparse

from engram.cli.flags import Parser, add_settings, flag_of, shipped_configurations
from engram.tasks.outlines.aliases import aliases_of
from engram.tasks.outlines.outline import Outline
from engram.tasks.outlines.start import FIXED, OWN, RATE_SHARE


def parser(task: Outline) -> Parser:
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
    made.add_argument(
        "--config", metavar="FILE", help="YAML file, or the name of a shipped configuration"
    )
    for title, settings in task.groups.items():
        add_settings(made, title, settings, aliases=aliases_of(task.settings), of=task.settings)
    return made


def finetune_parser(task: Outline, default_data: bool) -> Parser:
    """The flags of ``engram finetune RUN`` for a new training of a task.

    Args:
        task: Of the new training.
        default_data: Whether other settings than those of the data come from RUN.
    """
    made = Parser(
        prog="engram finetune",
        usage="engram finetune RUN --data PATH … [--task TASK] [--run-dir DIR] [flags]",
        description=(
            "Fine-tune a trained model on other data, in a new run that starts from its "
            "weights.\n\n"
            "  engram finetune runs/notes --data letters.txt --run-dir runs/letters\n"
            "  engram finetune runs/notes --data letters.txt --freeze parietal "
            "--rate temporal=0.1\n"
            "  engram finetune runs/notes --data letters.txt --unfreeze-every 200 "
            "--rate-decay 2.6\n"
            "  engram finetune runs/notes --task classify --data reviews.csv --freeze parietal\n\n"
            "Regions are parts of the model: 'engram anatomy RUN' shows them. If the new text\n"
            "contains tokens that the model does not know, a new vocabulary is built: head and\n"
            "embedding keep the rows of all tokens in both, and the others are re-initialised."
        ),
    )
    made.add_argument("run", metavar="RUN", help="a run folder, or the folder of a saved model")
    made.add_argument("--task", metavar="TASK", help="task of the new run, if it differs")
    _add_run(made)
    names = {name for settings in task.groups.values() for name in settings.model_fields}
    defaults = dict.fromkeys(names - set(OWN), "as in RUN") if default_data else {}
    defaults["data"] = "none, required"
    aliases = aliases_of(task.settings)
    made.add_argument_group("rate").add_argument(
        *map(flag_of, ("rate", *aliases.pop("rate"))),
        dest="rate",
        action="extend",
        nargs="+",
        metavar="X|REGION=X",
        default=argparse.SUPPRESS,
        help=f"learning rate (default: {RATE_SHARE} × the rate of RUN), or as --rates",
    )
    without = (*FIXED, "rate", "start")
    for title, settings in task.groups.items():
        add_settings(
            made,
            title,
            settings,
            without=without,
            defaults=defaults,
            aliases=aliases,
            of=task.settings,
        )
    return made


def _add_run(made: Parser) -> None:
    made.add_argument(
        "--run-dir",
        metavar="DIR",
        help="folder of the run: settings, checkpoints, metrics and model",
    )
    made.add_argument("--overwrite", action="store_true", help="replace an existing run")
    made.add_argument(
        "--tensorboard", action="store_true", help="write event files into the run's tensorboard/"
    )
    made.add_argument(
        "--print-config", action="store_true", help="print all settings as YAML, and exit"
    )


def _subject(task: Outline) -> str:
    needed = task.settings.model_fields[task.names].is_required()
    shown = "--data PATH …" if task.names == "data" else f"--{task.names} NAME …"
    return shown if needed else f"[{shown}]"
