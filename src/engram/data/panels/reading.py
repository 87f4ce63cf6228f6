"""Reading panels: tables of series in time, and a set that comes with a library."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.builtin.sunspots import sunspots
from engram.data.panels.frequency import Frequency
from engram.data.panels.panel import Panel
from engram.data.panels.roles import find_panel_roles
from engram.data.panels.tables import read_panel
from engram.data.paths import expanded
from engram.data.settings import PanelSettings
from engram.data.tables.reading import read_table


def _sunspots() -> Panel:
    times, values = sunspots()
    sequences = Sequences.of([values[:, None]], ("sunspots",))
    ahead = np.zeros(1, dtype=np.int64)
    return Panel(sequences, times, ["sunspots"], 0, Frequency("number", 1.0), ahead)


MADE = {"sunspots": _sunspots}
"""Series that are here already, by the name that is given instead of a path."""


@dataclass(frozen=True)
class FoundPanel:
    """What was read.

    Attributes:
        panel: The series.
        about: What they are, one line each.
        warnings: What a person should look at, one sentence each.
        roles: What columns are for, as settings; empty without a table.
    """

    panel: Panel
    about: list[str]
    warnings: list[str] = field(default_factory=list)
    roles: dict[str, Any] = field(default_factory=dict)


def read_panels(settings: PanelSettings) -> FoundPanel:
    """Read the series of all files.

    Raises:
        DataError: For what does not exist, or cannot be read as series.
    """
    given = settings.data
    notes: list[str] = []
    columns: list[str] = []
    roles: dict[str, Any] = {}
    if len(given) == 1 and given[0] in MADE and not Path(given[0]).exists():
        panel = MADE[given[0]]()
    else:
        paths, left_out = expanded(given, "tables or globs")
        tables = [read_table(path, encoding=settings.encoding, given=settings) for path in paths]
        found = find_panel_roles(
            tables[0],
            targets=settings.target,
            series=settings.series,
            time=settings.time,
            past=settings.past,
            known=settings.known,
        )
        panel, notes = read_panel(tables, found)
        notes = left_out + list(tables[0].notes) + notes
        notes += tables[0].formats.notes()
        roles = {"encoding": settings.encoding, **tables[0].formats.settings(), **found.settings()}
        columns = [found.about()]
        notes += found.reasons
        if not found.time:
            notes.append("no time column was found; rows are taken in their order")
    count, where = panel.irregular()
    name = panel.frequency.name
    if count and settings.gaps == "keep":
        notes.append(
            f"{count:,} of {len(panel.times) - len(panel):,} steps are not of {name}, the first "
            f"{where}; the model treats them as equal, unless --gaps fill inserts missing values"
        )
    elif count:
        panel = panel.filled()
    lengths = panel.lengths
    several = f"{lengths.min():,} to " if lengths.min() < lengths.max() else ""
    size = f"{len(panel):,} series of {several}{lengths.max():,} steps"
    about = [f"{size} of {name} from {', '.join(given)}", *columns]
    return FoundPanel(panel, about, notes, roles)
