"""``engram anatomy RUN``: which parts of a trained model do what."""

from pathlib import Path

from engram.cli.flags import Parser


def main(argv: list[str]) -> int:
    """Run ``engram anatomy``."""
    flags = Parser(
        prog="engram anatomy",
        description=(
            "Show what each part of a trained model does, by analogy with the regions of a brain:\n"
            "its weights, its fraction of the compute and of the gradient, how far it moved in\n"
            "training, and its learning rate; the result is written to the run's records/.\n\n"
            "  engram anatomy runs/notes\n"
            "  engram anatomy runs/notes --data other.txt\n\n"
            "'engram anatomy RUN --help' shows the flags of that run."
        ),
    )
    flags.add_argument("run", metavar="RUN", help="the run folder")
    given, rest = flags.parse_known_args(argv[:1])
    return anatomy(Path(given.run), [*rest, *argv[1:]])


def anatomy(folder: Path, argv: list[str]) -> int:
    """Run ``engram anatomy`` for a run."""
    from engram.cli import views
    from engram.cli.runs import measured_part, open_run, require, trained_of
    from engram.diagnosis.anatomy import measure_anatomy
    from engram.tasks import fitting

    run = open_run(folder)
    task, trained = trained_of(run)
    require(task, run, "anatomy", lambda each: each.probe)
    flags = Parser(
        prog=f"engram anatomy {run.path}",
        description="Measure on the run's own validation set, or on other data.",
    )
    part, own = measured_part(flags, run, task, trained, argv)
    initial = fitting.initial_model(task, trained, run)
    assert task.probe is not None
    probe = task.probe(trained, part)
    record = measure_anatomy(task, trained, probe, initial.state_dict())
    if own:
        run.write(record)
    views.show_anatomy(views.console(), record)
    return 0
