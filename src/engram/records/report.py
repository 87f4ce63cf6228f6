"""A report: how good a model is on some data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Cell = str | bool | int | float | None


@dataclass(frozen=True)
class ReportTable:
    """Rows under headings; None where a figure is undefined."""

    columns: list[str]
    rows: Sequence[Sequence[Cell]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", [[_cell(value) for value in row] for row in self.rows])


@dataclass(frozen=True)
class Report:
    """How good a model is on some data.

    Attributes:
        measures: Figures by name, the most telling first; NaN where one is undefined.
        tables: More, by title.
    """

    measures: dict[str, int | float]
    tables: dict[str, ReportTable] = field(default_factory=dict)


def _cell(value: Any) -> Cell:
    """A value as JSON holds it: numbers of numpy as Python's, and nothing for no number."""
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float) and not math.isfinite(plain):
        return None
    return plain if plain is None or isinstance(plain, str | bool | int | float) else str(plain)
