"""``engram data look``: how a table is read, before anything is trained on it."""

from pathlib import Path
from typing import Any

from engram.cli.flags import Parser, add_settings, settings_from
from engram.data.settings import PanelSettings, ReadingSettings
from engram.errors import ConfigError, did_you_mean
from engram.settings import Settings

TASKS: dict[str, type[Settings]] = {
    "forecast": PanelSettings,
    "classify": ReadingSettings,
    "regress": ReadingSettings,
}
"""Tasks that read tables, by the settings that say how."""

_ENDS = 3  # rows that are shown at either end


def parser(task: str) -> Parser:
    """The flags of ``engram data look``."""
    flags = Parser(
        prog="engram data look",
        usage="engram data look FILE [--task TASK] [flags of the task that say how it is read]",
        description=(
            "Show how a table is read, without training: how its cells are separated, what each\n"
            "column holds, and for a task what each column is for.\n\n"
            "  engram data look sales.csv\n"
            "  engram data look sales.csv --task forecast\n"
            "  engram data look sales.csv --task forecast --dates day-first --series store item\n\n"
            "What is shown can be changed by the flags of 'engram train TASK' of the same names."
        ),
    )
    flags.add_argument("file", metavar="FILE", help="the table")
    flags.add_argument(
        "--task", metavar="|".join(TASKS), help="what it is for; without it, only columns are shown"
    )
    add_settings(flags, "reading", TASKS.get(task, PanelSettings), without=["data"])
    return flags


def main(argv: list[str]) -> int:
    """Run ``engram data look``."""
    first = Parser(prog="engram data look", add_help=False)
    first.add_argument("--task")
    task = first.parse_known_args(argv)[0].task
    if task is not None and task not in TASKS:
        raise ConfigError(f"--task is '{task}': {did_you_mean(task, TASKS)}")
    flags = parser(task or "forecast")
    given, unknown = flags.parse_known_args(argv)
    values: dict[str, Any] = vars(given) | {"data": [given.file]}
    values = {name: value for name, value in values.items() if name not in ("file", "task")}
    chosen = TASKS[task or "forecast"]
    settings = settings_from(chosen, values, None, flags.unknown_faults(unknown))
    from engram.cli.data_look_views import show

    show(Path(given.file), task, settings, _ENDS)
    return 0
