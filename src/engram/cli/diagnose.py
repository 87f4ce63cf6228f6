"""``engram diagnose RUN``: measure how far back a trained model remembers."""

from pathlib import Path

from engram.cli.flags import Parser


def main(argv: list[str]) -> int:
    """Run ``engram diagnose``."""
    flags = Parser(
        prog="engram diagnose",
        description=(
            "Measure how far back gradients reach in a run, and how much context the model uses;\n"
            "the results are written to the run's records/.\n\n"
            "  engram diagnose runs/notes\n"
            "  engram diagnose runs/notes --data other.txt\n\n"
            "'engram diagnose RUN --help' shows the flags of that run."
        ),
    )
    flags.add_argument("run", metavar="RUN", help="the run folder")
    given, rest = flags.parse_known_args(argv[:1])
    return diagnose(Path(given.run), [*rest, *argv[1:]])


def diagnose(folder: Path, argv: list[str]) -> int:
    """Run ``engram diagnose`` for a run."""
    from engram.cli import views
    from engram.cli.runs import measured_part, open_run, require, trained_of
    from engram.diagnosis.memory import measure_memory, write_memory

    run = open_run(folder)
    task, trained = trained_of(run)
    require(task, run, "diagnose", lambda each: each.probe)
    flags = Parser(
        prog=f"engram diagnose {run.path}",
        description="Measure on the run's own validation set, or on other data.",
    )
    part, own = measured_part(flags, run, task, trained, argv)
    assert task.probe is not None
    probe = task.probe(trained, part)
    memory = measure_memory(trained.model, probe)
    if own:
        write_memory(run, memory)
    views.show_memory(views.console(), memory, probe.unit)
    return 0
