"""``engram resume RUN``: go on bit for bit."""

from pathlib import Path

from engram.cli.flags import Parser
from engram.cli.train import RESULT, go
from engram.errors import RunError
from engram.tasks.language_model import LanguageModelSettings
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
    settings = LanguageModelSettings.checked(given, str(run.config))
    if run.read_record(RESULT) is not None:
        print(f"{run.path} is finished; look at it with:\n  engram info {run.path}")
        return 0
    if given.get("weight_decay") and "regularise" not in given:
        raise RunError(
            f"{run.config} is of a version in which weight_decay={given['weight_decay']} meant "
            "something else (L2, but for adamw, and on all weights); train a new run, with --l2 or "
            "--weight-decay"
        )
    return go(run, settings)
