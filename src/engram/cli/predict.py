"""``engram predict RUN``: answers for new data."""

from pathlib import Path

from engram.cli import tasks
from engram.cli.flags import Parser
from engram.training.run_folder import RunFolder


def main(argv: list[str]) -> int:
    """Run ``engram predict``."""
    flags = Parser(
        prog="engram predict",
        description=(
            "Predict with the best weights of a run.\n\n"
            "  engram predict runs/reviews --data new.csv --out answers.csv\n\n"
            "'engram predict RUN --help' shows the flags of that run."
        ),
    )
    flags.add_argument("run", metavar="RUN", help="the folder of the run")
    given, rest = flags.parse_known_args(argv[:1])
    return tasks.predict(RunFolder.open(Path(given.run)), [*rest, *argv[1:]])
