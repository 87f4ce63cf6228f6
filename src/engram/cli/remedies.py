"""``engram info --remedies``: what there is against forgetting and overfitting."""

from rich.console import Console
from rich.table import Table

from engram.pages.remedies import cells_of
from engram.tasks.remedies import PURPOSES, REMEDIES


def show_remedies(out: Console) -> None:
    """Print a table of the remedies: what each does, the cells it is defined for, its command."""
    for purpose, heading in PURPOSES.items():
        out.print(f"\n[bold]{heading}[/]")
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for remedy in (each for each in REMEDIES if each.purpose == purpose):
            cells = cells_of(remedy)
            limits = "" if cells == "every cell" else f" ({cells})"
            table.add_row(remedy.name, f"{remedy.summary}{limits}\n[dim]{remedy.command}[/]")
        out.print(table)
