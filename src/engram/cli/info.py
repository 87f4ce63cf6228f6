"""``engram info RUN``: what a run is and how far it got; ``--cells`` and others: what there is."""

from collections.abc import Callable

from engram.cli.flags import Parser
from engram.errors import ConfigError


def main(argv: list[str]) -> int:
    """Run ``engram info``."""
    flags = Parser(
        prog="engram info",
        description="Show a run and its progress, or what Engram has built in.\n\n"
        "  engram info runs/notes\n  engram info --cells\n  engram info --remedies",
    )
    flags.add_argument("run", metavar="RUN", nargs="?", help="the run folder")
    for name, (text, _) in LISTS.items():
        flags.add_argument(f"--{name}", action="store_true", help=text)
    given = flags.parse(argv)
    asked = [name for name in LISTS if getattr(given, name)]
    if bool(asked) == (given.run is not None):
        what = "both RUN and a list were" if asked else "nothing was"
        lists = " or ".join(f"--{name}" for name in LISTS)
        raise ConfigError(f"{what} given; 'engram info' takes one RUN, or {lists}")
    for name in asked:
        LISTS[name][1]()
    if given.run is not None:
        from engram.cli.run_facts import show_run

        show_run(given.run)
    return 0


def _show_cells() -> None:
    from engram.cells import CELLS
    from engram.cli import views

    rows = [
        [name, built_in.summary, " ".join(cell.gates), " ".join(cell.states), built_in.paper]
        for name, built_in in CELLS.items()
        for cell in [built_in.make()]
    ]
    views.show_table(views.console(), ["cell", "what it is", "gates", "states", "paper"], rows)


def _show_remedies() -> None:
    from engram.cli import views
    from engram.cli.remedies import show_remedies

    show_remedies(views.console())


# What is listed by a flag: its help, and what shows it.
LISTS: dict[str, tuple[str, Callable[[], None]]] = {
    "cells": ("list the built-in cells", _show_cells),
    "remedies": ("list the remedies against forgetting and overfitting", _show_remedies),
}
