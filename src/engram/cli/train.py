"""``engram train TASK``: read data, train, measure."""

from engram.cli import language_model, tasks
from engram.errors import ConfigError, did_you_mean
from engram.tasks.registry import TASKS

SUMMARIES = {"language-model": "predict the next character, byte, word or token of text"} | {
    name: task.summary for name, task in TASKS.items()
}


def main(argv: list[str]) -> int:
    """Run ``engram train``."""
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: engram train TASK [flags]\n\ntasks:")
        print("\n".join(f"  {name:<18}{summary}" for name, summary in SUMMARIES.items()))
        print("\n'engram train TASK --help' shows its flags.")
        return 0
    name, *rest = argv
    if name not in SUMMARIES:
        raise ConfigError(f"'{name}' is not a task: {did_you_mean(name, SUMMARIES)}")
    if name in TASKS:
        return tasks.train(TASKS[name], rest)
    return language_model.main(rest)
