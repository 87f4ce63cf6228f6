"""``engram eval RUN``: evaluate a trained model on other data."""

from pathlib import Path

from engram.cli.flags import Parser, add_device, add_settings, settings_from
from engram.files import write_json


def main(argv: list[str]) -> int:
    """Run ``engram eval``."""
    flags = Parser(
        prog="engram eval",
        description=(
            "Evaluate the best weights of a run on other data.\n\n"
            "  engram eval runs/notes --data other.txt\n"
            "  engram eval runs/reviews --data more.csv\n\n"
            "'engram eval RUN --help' shows the flags of that run."
        ),
    )
    flags.add_argument("run", metavar="RUN", help="the run folder")
    given, rest = flags.parse_known_args(argv[:1])
    return evaluate(Path(given.run), [*rest, *argv[1:]])


def evaluate(folder: Path, argv: list[str]) -> int:
    """Run ``engram eval`` for a run of a task."""
    from engram.cli import views
    from engram.cli.runs import move, open_run, trained_of

    run = open_run(folder)
    task, trained = trained_of(run)
    flags = Parser(
        prog=f"engram eval {run.path}",
        description=f"Evaluate the best weights of {run.path} on other data.",
    )
    add_settings(flags, "data", task.judging)
    add_device(flags)
    flags.add_argument("--json", metavar="FILE", help="also write the results to this file")
    given, unknown = flags.parse_known_args(argv)
    values = vars(given)
    path, device = values.pop("json"), values.pop("device")
    judging = settings_from(task.judging, values, None, flags.unknown_faults(unknown))
    move(trained, device)
    report = task.evaluate(trained, task.read_part(trained, judging))
    data = values["data"] if task.reads else f"fresh {getattr(trained.settings, task.names)}"
    views.show_report(views.console(), data if isinstance(data, str) else ", ".join(data), report)
    if path is not None:
        write_json(Path(path), report.measures)
    return 0
