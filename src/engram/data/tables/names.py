"""Names: what a column is called tells what it may be for."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from engram.data.tables import cells

TARGETS = ("label", "class", "target", "category", "sentiment", "tag", "y", "output", "score")
SERIES = ("series", "series_id", "id", "sequence", "sequence_id", "unique_id", "group", "sample")
TIMES = (
    *(
        "time",
        "timestamp",
        "date",
        "datetime",
        "ds",
        "step",
        "t",
        "index",
        "frame",
        "tick",
        "cycle",
    ),
    *(
        "cycle",
        "second",
        "seconds",
        "minute",
        "minutes",
        "hour",
        "hours",
        "day",
        "week",
        "month",
        "year",
    ),
)
_UNNAMED = re.compile(r"column_\d+|unnamed:_\d+|")
_INDICES = ("index", "__index_level_0__", "level_0", "row", "row_number", "rownum", "no", "nr")


def counts_rows(name: str, column: Any) -> bool:
    """Whether a column is the index that some programs write, or numbers the rows."""
    plain = plain_name(name)
    if not (plain in _INDICES or _UNNAMED.fullmatch(plain)):
        return False
    found, bad = cells.numbers(column)
    if bad is not None or not len(found) or not (np.diff(found) >= 1).all():
        return False
    gaps = plain.startswith(("__index", "level_"))  # rows were filtered out before it was written
    return bool((found == found.round()).all() and (gaps or (np.diff(found) == 1).all()))


def first_named(known: Sequence[str], columns: Sequence[str]) -> str | None:
    """The first column whose name is among the known ones, in the order of these."""
    plain = {plain_name(name): name for name in reversed(columns)}
    return next((plain[name] for name in known if name in plain), None)


def plain_name(name: str) -> str:
    """A name as the lists here have it."""
    return name.strip().lower().replace(" ", "_")
