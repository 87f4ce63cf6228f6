"""``engram resume RUN``: go on bit for bit."""

from engram.cli.flags import Parser


def main(argv: list[str]) -> int:
    """Run ``engram resume``."""
    flags = Parser(
        prog="engram resume",
        description=(
            "Continue a training run that was stopped or killed, from its last checkpoint.\n"
            "The result is the same, bit for bit, as if it had never stopped.\n\n"
            "  engram resume runs/notes"
        ),
    )
    flags.add_argument("run", metavar="RUN", help="the run folder")
    flags.add_argument(
        "--device",
        metavar="DEVICE",
        help="continue on another device: cpu, cuda, cuda:N or auto (default: as begun); the "
        "numbers then differ in their last digits",
    )
    given = flags.parse(argv)
    from engram.cli import tasks
    from engram.cli.runs import open_run, settings_of
    from engram.records import Result
    from engram.training.tensorboard import FOLDER

    run = open_run(given.run)
    if run.read(Result) is not None:
        print(f"{run.path} is finished; see it with:\n  engram info {run.path}")
        return 0
    run.require_known_settings()
    task, settings = settings_of(run, given.device)
    return tasks.go(task, run, settings, tensorboard=(run.path / FOLDER).is_dir())
