"""Reading panels: tables of series in time, and a set that comes with a library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.builtin.sunspots import sunspots
from engram.data.panels.calendars.calendar import Calendar
from engram.data.panels.calendars.even import Even
from engram.data.panels.following import require_calendar
from engram.data.panels.panel import Panel
from engram.data.panels.roles import find_panel_roles
from engram.data.panels.tables import is_ahead, read_panel
from engram.data.paths import expanded
from engram.data.settings import PanelSettings
from engram.data.tables.reading import read_table
from engram.data.tables.table import Table
from engram.errors import DataError


def _sunspots() -> Panel:
    times, values = sunspots()
    sequences = Sequences.of([values[:, None]], ("sunspots",))
    ahead = np.zeros(1, dtype=np.int64)
    return Panel(sequences, times, ["sunspots"], 0, Even(), ahead)


MADE = {"sunspots": _sunspots}
"""Series that are here already, by the name that is given instead of a path."""


@dataclass(frozen=True)
class FoundPanel:
    """What was read.

    Attributes:
        panel: The series.
        about: What they are, one line each.
        warnings: What a person should look at, one sentence each.
        roles: How files were read, and what columns are for, as settings; empty without a table.
    """

    panel: Panel
    about: list[str]
    warnings: list[str] = field(default_factory=list)
    roles: dict[str, Any] = field(default_factory=dict)


def read_panels(
    settings: PanelSettings, calendar: Calendar | None = None, history: Sequence[str] = ()
) -> FoundPanel:
    """Read the series of all files.

    Args:
        settings: Which files, and how they are read.
        calendar: That the series have to follow; None finds it.
        history: Files that are read too where those of the settings have only rows to come.

    Raises:
        DataError: For what does not exist, or cannot be read as series.
    """
    given = settings.data
    notes: list[str] = []
    columns: list[str] = []
    roles: dict[str, Any] = {}
    if len(given) == 1 and given[0] in MADE and not Path(given[0]).exists():
        panel = MADE[given[0]]()
        require_calendar(replace(panel, calendar=calendar or panel.calendar), dates=False)
    else:
        tables, notes = _tables(settings, history)
        found = find_panel_roles(
            tables[0],
            targets=settings.target,
            series=settings.series,
            time=settings.time,
            past=settings.past,
            known=settings.known,
        )
        panel, told = read_panel(tables, found, calendar)
        formats = tables[0].formats
        notes += [*tables[0].notes, *formats.notes(), *found.reasons, *told]
        roles = _stored(settings) | formats.settings() | found.settings()
        columns = [found.about()]
        if not found.time:
            notes.append("no time column was found; rows are taken in their order")
    count, where = panel.irregular()
    name = panel.calendar.name
    if count and settings.gaps == "keep":
        total = int((panel.lengths - 1).sum())
        notes.append(
            f"{count:,} of {total:,} steps do not follow one per {name}, the first {where}; the "
            "model treats all steps as equal, unless --gaps fill inserts those that are missing"
        )
    elif count:
        panel = panel.filled()
    lengths = panel.lengths
    several = f"{lengths.min():,} to " if lengths.min() < lengths.max() else ""
    size = f"{len(panel):,} series of {several}{lengths.max():,} steps"
    about = [f"{size}, one per {name}, from {', '.join(given)}", *columns]
    return FoundPanel(panel, about, notes, roles)


def as_stored(settings: PanelSettings, stored: Mapping[str, Any]) -> PanelSettings:
    """The settings, with those of another reading where they were not given themselves."""
    given = settings.model_fields_set
    known = {name: value for name, value in stored.items() if name in PanelSettings.model_fields}
    open_ones = {name: value for name, value in known.items() if name not in given}
    return type(settings).checked(settings.plain() | open_ones, stored=True)


def _stored(settings: PanelSettings) -> dict[str, Any]:
    """How files are read, as far as other files are read like them."""
    return settings.model_dump(include=set(PanelSettings.model_fields) - {"data"})


def _tables(settings: PanelSettings, history: Sequence[str]) -> tuple[list[Table], list[str]]:
    """All tables, those of rows to come last, and notes about them."""
    paths, notes = expanded(settings.data, "tables or globs")
    tables = [_read(path, settings) for path in paths]
    if not settings.target:
        return tables, notes
    ahead = [is_ahead(table, settings.target, settings.known) for table in tables]
    if all(ahead):
        there = [path for path in history if Path(path).exists()]
        names = ", ".join(settings.data)
        if not history or len(there) < len(history):
            raise DataError(
                f"{names} has no column {', '.join(map(repr, settings.target[:3]))}, so all of its "
                "rows are yet to come; give the history too: --data HISTORY "
                + " ".join(settings.data)
            )
        notes.append(
            f"{names} has only rows to come; the history is read from the training data, "
            f"{', '.join(there)}"
        )
        before, told = expanded(there, "tables or globs")
        tables = [_read(path, settings) for path in before] + tables
        return tables, notes + told
    return [tables[place] for place in np.argsort(ahead, kind="stable")], notes


def _read(path: Path, settings: PanelSettings) -> Table:
    return read_table(path, encoding=settings.encoding, given=settings)
