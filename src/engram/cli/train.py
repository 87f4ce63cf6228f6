"""``engram train TASK``: read data, train, measure."""

from engram.cli import tasks
from engram.errors import ConfigError, did_you_mean
from engram.tasks.registry import TASKS


def main(argv: list[str]) -> int:
    """Run ``engram train``."""
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: engram train TASK [flags]\n\ntasks:")
        print("\n".join(f"  {name:<18}{task.summary}" for name, task in TASKS.items()))
        print("\n'engram train TASK --help' shows its flags.")
        return 0
    name, *rest = argv
    if name not in TASKS:
        raise ConfigError(f"'{name}' is not a task: {did_you_mean(name, TASKS)}")
    return tasks.train(TASKS[name], rest)
