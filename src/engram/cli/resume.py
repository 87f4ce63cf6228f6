"""``engram resume RUN``: go on bit for bit."""

from pathlib import Path

from engram.cli import tasks
from engram.cli.flags import Parser
from engram.cli.language_model import go
from engram.cli.outcome import RESULT
from engram.errors import RunError
from engram.tasks.language_model import NAME, LanguageModelSettings
from engram.tasks.registry import task_by_name
from engram.training.run_folder import RunFolder


def main(argv: list[str]) -> int:
    """Run ``engram resume``."""
    flags = Parser(
        prog="engram resume",
        description=(
            "Go on with a training that was stopped or killed, from its last checkpoint.\n"
            "The result is the same, bit for bit, as if it had never stopped.\n\n"
            "  engram resume runs/notes"
        ),
    )
    flags.add_argument("run", metavar="RUN", help="the folder of the run")
    run = RunFolder.open(Path(flags.parse(argv).run))
    given = run.settings()
    name = given.pop("task", NAME)
    if name != NAME and run.read_record(RESULT) is None:
        return tasks.resume(task_by_name(name), run, given)
    if name != NAME:
        return _finished(run)
    settings = LanguageModelSettings.checked(given, str(run.config))
    if run.read_record(RESULT) is not None:
        return _finished(run)
    if given.get("weight_decay") and "regularise" not in given:
        raise RunError(
            f"{run.config} is of a version in which weight_decay={given['weight_decay']} meant "
            "something else (L2, but for adamw, and on all weights); train a new run, with --l2 or "
            "--weight-decay"
        )
    return go(run, settings)


def _finished(run: RunFolder) -> int:
    print(f"{run.path} is finished; look at it with:\n  engram info {run.path}")
    return 0
