"""Arrow types that are neither text, number nor date, as one of these."""

import json
from datetime import date, timedelta
from typing import Any

from engram.errors import DataError

_SECONDS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH = date(1970, 1, 1)


def plain_column(field: Any, column: Any) -> Any:
    """A column of durations or times of day as seconds, and one of periods as their first days.

    Args:
        field: Its name, type and metadata.
        column: The values.

    Raises:
        DataError: For periods of a length that is not known.
    """
    import pyarrow
    from pyarrow import types

    period = _period(field)
    if period is not None:
        whole = column.storage if isinstance(column, pyarrow.ExtensionArray) else column
        days = [None if n is None else _first_day(n, period, field.name) for n in whole.to_pylist()]
        return pyarrow.array(days, pyarrow.date32())
    if types.is_duration(column.type) or types.is_time(column.type):
        narrow = types.is_time32(column.type)
        whole = column.cast(pyarrow.int32() if narrow else pyarrow.int64()).cast(pyarrow.int64())
        unit = _SECONDS[column.type.unit]
        return pyarrow.compute.divide(whole.cast(pyarrow.float64()), float(unit))
    return column


def _period(field: Any) -> str | None:
    """The length of the periods of a column that pandas wrote; None where it holds none."""
    if getattr(field.type, "extension_name", None) == "pandas.period":
        return str(getattr(field.type, "freq", ""))
    facts = field.metadata or {}
    if facts.get(b"ARROW:extension:name") != b"pandas.period":
        return None
    return str(json.loads(facts[b"ARROW:extension:metadata"])["freq"])


def _first_day(number: int, period: str, name: str) -> date:
    """The first day of a period, counted from the one that holds 1 January 1970."""
    kind = period.split("-")[0]
    months = {"M": 1, "ME": 1, "Q": 3, "QE": 3, "Y": 12, "A": 12, "YE": 12}.get(kind)
    if months is not None and period in (kind, f"{kind}-DEC"):
        year, month = divmod(number * months, 12)
        return date(1970 + year, month + 1, 1)
    if kind == "D":
        return _EPOCH + timedelta(days=number)
    if period == "W-SUN":  # the week of 1970-01-01 began on the Monday before
        return _EPOCH + timedelta(days=7 * number - 3 - 7)
    raise DataError(
        f"column '{name}' contains periods of '{period}', which are not known; write dates"
    )
