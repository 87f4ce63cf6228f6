"""``engram train TASK``: read data, train, measure."""

import time
from pathlib import Path
from typing import Any

import yaml

from engram.cli.flags import settings_from
from engram.cli.training_flags import parser
from engram.tasks.outlines.outline import Outline
from engram.tasks.registry import OUTLINES, TASKS, outline_by_name


def main(argv: list[str]) -> int:
    """Run ``engram train``."""
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: engram train TASK [flags]\n\ntasks:")
        print("\n".join(f"  {name:<18}{task.summary}" for name, task in OUTLINES.items()))
        print("\n'engram train TASK --help' shows its flags.")
        return 0
    name, *rest = argv
    return train(outline_by_name(name), rest)


def train(task: Outline, argv: list[str]) -> int:
    """Run ``engram train TASK``."""
    flags = parser(task)
    given, unknown = flags.parse_known_args(argv)
    values = vars(given)
    path = Path(values.pop("run_dir") or f"runs/{task.name}-{now()}")
    command = ["engram", "train", task.name, *argv]
    return begin(task, values, flags.unknown_faults(unknown), {}, path, command)


def begin(
    task: Outline,
    values: dict[str, Any],
    faults: list[str],
    base: dict[str, Any],
    path: Path,
    command: list[str],
) -> int:
    """Start a new run of flags; ``base`` takes the place of defaults."""
    overwrite, tensorboard = values.pop("overwrite"), values.pop("tensorboard")
    print_config, config = values.pop("print_config"), values.pop("config")
    settings = settings_from(task.settings, values, config, faults, base=base, task=task.name)
    if print_config:
        print(yaml.safe_dump(settings.plain(), sort_keys=False, allow_unicode=True), end="")
        return 0
    from engram.cli import tasks

    return tasks.start(
        TASKS[task.name], settings, path, command, overwrite=overwrite, tensorboard=tensorboard
    )


def now() -> str:
    """The time as a part of a name."""
    return time.strftime("%Y%m%d-%H%M%S")
