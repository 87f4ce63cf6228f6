"""Evidence: what the values of columns tell of their roles."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engram.data.tables import cells
from engram.data.tables.kinds import Kind, kind_of


def codes_of(column: Any) -> np.ndarray:
    """The number of each value among those of a column, from 0 as they come, ``(n,)`` int64."""
    places: dict[str | None, int] = {}
    texts = cells.texts(column)
    return np.array([places.setdefault(text, len(places)) for text in texts], dtype=np.int64)


def are_unique(columns: Sequence[np.ndarray]) -> bool:
    """Whether no two rows have the same codes in all columns."""
    whole = columns[0]
    for other in columns[1:]:
        whole = whole * (other.max(initial=0) + 1) + other
        whole = np.unique(whole, return_inverse=True)[1]
    return len(np.unique(whole)) == len(whole)


def repeats(column: Any) -> bool:
    """Whether a value of a column comes twice."""
    codes = codes_of(column)
    return bool(codes.max(initial=-1) + 1 < len(codes))


def is_constant(column: Any) -> bool:
    """Whether a column has one value."""
    return bool(codes_of(column).max(initial=0) == 0)


def is_empty(column: Any) -> bool:
    """Whether a column has no value in several rows; one row alone tells nothing."""
    return len(column) > 1 and all(
        text is None or kind_of(text) is Kind.EMPTY for text in cells.texts(column)
    )


def is_whole(column: Any) -> bool:
    """Whether a column holds whole numbers and nothing else, some of which may be missing."""
    found = (text.strip() for text in cells.texts(column) if text is not None)
    return all(text.lstrip("-").isdecimal() for text in found if kind_of(text) is not Kind.EMPTY)
