"""What ``engram data look`` prints: how a table is cut, its columns, and what they are for."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console

from engram.cli.views import console, printable, show_facts, show_table
from engram.data.labelled.tables import examples_of
from engram.data.panels.panel import Panel
from engram.data.panels.roles import find_panel_roles
from engram.data.panels.tables import read_panel
from engram.data.settings import PanelSettings, ReadingSettings
from engram.data.tables import cells
from engram.data.tables.evidence import is_empty
from engram.data.tables.reading import read_table
from engram.data.tables.roles import find_roles
from engram.data.tables.table import Table
from engram.data.text.decoding import encoding_of
from engram.errors import DataError

_MOST_COLUMNS = 40
_WIDEST = 24  # characters of a cell


def show(path: Path, task: str | None, settings: Any, ends: int) -> None:
    """Print how a table is read.

    Args:
        path: Of the table.
        task: What it is for, or None.
        settings: Of that task, as far as they say how tables are read.
        ends: Rows that are shown at either end.

    Raises:
        DataError: For what cannot be read, or can be read in two ways.
    """
    table = read_table(path, encoding=settings.encoding, given=settings)
    out = console()
    show_facts(out, _how_it_is_cut(table, settings.encoding))
    _show_columns(out, table, ends)
    notes = list(table.notes)
    # a large file is not read whole for a look
    some = replace(table, blocks=lambda: iter([table.first]))
    if isinstance(settings, PanelSettings) and task is not None:
        notes += _show_panel(out, some, settings, ends)
    elif isinstance(settings, ReadingSettings) and task is not None:
        notes += _show_examples(out, some, settings, ends, numbers=task == "regress")
    for note in [*notes, *some.formats.notes()]:
        out.print(f"note: {printable(note)}", markup=False, highlight=False)
    if task is None:
        print("\n'--task forecast', '--task classify' or '--task regress' shows what each is for")


def _how_it_is_cut(table: Table, encoding: str) -> dict[str, Any]:
    rows = len(next(iter(table.first.values())))
    facts = {"file": table.path, "rows": f"{rows:,} in its first part", "encoding": None}
    if "header_rows" in table.reading:
        quotes = table.reading["quotes"]
        facts["encoding"] = encoding_of(table.path, encoding)
        facts["separator"] = table.reading["separator"]
        facts["quotes"] = "around cells" if quotes == "double" else "part of the text"
        facts["rows of names"] = table.reading["header_rows"]
    return facts


def _show_columns(out: Console, table: Table, ends: int) -> None:
    shown = table.columns[:_MOST_COLUMNS]
    numeric = table.formats.numeric()
    rows = []
    for name in shown:
        texts = [_short(text) for text in cells.texts(table.first[name])]
        rows.append([name, _holds(table, name, numeric), *_ends_of(texts, ends)])
    print()
    show_table(out, ["column", "holds", "first", "last"], rows)
    if len(shown) < len(table.columns):
        print(f"… and {len(table.columns) - len(shown):,} more columns")
    print()


def _holds(table: Table, name: str, numeric: set[str]) -> str:
    """What a column holds, in words."""
    column = table.first[name]
    if cells.is_list(column):
        return "lists"
    if is_empty(column):
        return "nothing"
    if name in numeric:
        try:
            about = table.formats.number(name).about()
        except DataError:
            return "numbers, in two readings"
        return f"numbers ({about})" if about else "numbers"
    try:
        form = table.formats.date(name)
    except DataError:
        return "dates, in two readings"
    return f"dates ({form.name})" if form is not None else "text"


def _show_panel(out: Console, table: Table, settings: PanelSettings, ends: int) -> list[str]:
    roles = find_panel_roles(
        table,
        targets=settings.target,
        series=settings.series,
        time=settings.time,
        past=settings.past,
        known=settings.known,
    )
    panel, notes = read_panel([table], roles)
    print(printable(roles.about()))
    calendar, count = panel.calendar, min(len(panel), ends)
    season = f"a season is {calendar.season} steps"
    print(f"{len(panel):,} series, one step per {calendar.name}; {season}")
    head = ["series", *(f"step {n + 1}" for n in range(ends)), "last step"]
    show_table(out, head, [_steps(panel, n, ends) for n in range(count)])
    return [*roles.reasons, *notes]


def _steps(panel: Panel, index: int, ends: int) -> list[str]:
    own, times = panel.target(index), panel.calendar.written(panel.times_of(index))
    known = [f"{time}: {value:.10g}" for time, value in zip(times, own, strict=False)]
    first = known[:ends] + [""] * (ends - len(known))
    return [panel.keys[index], *first, known[-1]]


def _show_examples(
    out: Console, table: Table, settings: ReadingSettings, ends: int, *, numbers: bool
) -> list[str]:
    roles = find_roles(
        table,
        target=settings.target,
        text=settings.text,
        values=settings.values,
        series=settings.series,
        time=settings.time,
        wide=settings.wide,
        numbers=numbers,
    )
    examples, notes = examples_of(table, roles, numbers=numbers)
    print(printable(roles.about()))
    targets = list(examples.targets if examples.targets is not None else [])
    if not numbers:
        print(f"{len(examples):,} examples of {len(set(targets)):,} classes")
    some = islice(zip(examples.inputs, targets, strict=True), ends)
    show_table(out, ["target", "input"], [[str(target), _input(own)] for own, target in some])
    return notes


def _input(own: Any) -> str:
    """A text, or a series by its length and first step."""
    return _short(own if isinstance(own, str) else f"{len(own):,} steps: {own[0].tolist()}")


def _ends_of(texts: list[str], ends: int) -> tuple[str, str]:
    return ", ".join(filter(None, texts[:ends])), texts[-1]


def _short(text: str | None) -> str:
    plain = " ".join((text or "").split())
    return plain if len(plain) <= _WIDEST else plain[: _WIDEST - 1] + "…"
