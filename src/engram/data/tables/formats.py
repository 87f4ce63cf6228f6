"""Formats: how numbers and dates in the columns of a table are written, found by its first rows."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engram.data.settings import SEPARATORS
from engram.data.tables import cells
from engram.data.tables.dates import (
    ORDERS,
    ORDINARY,
    DateFormat,
    UnclearDatesError,
    compact_format,
    date_format,
)
from engram.data.tables.kinds import Kind, kind_of
from engram.data.tables.numbers import NumberFormat, UnclearNumbersError, number_format
from engram.errors import DataError

_MOSTLY = 0.5  # share of numbers from which the other cells of a column are faults


class Formats:
    """Finds the format of each column when it is asked for, once.

    Args:
        path: Of the table, for messages.
        first: Gives its first rows.
        reading: ``separator``, ``decimal`` and ``dates``, where they are known.
    """

    def __init__(
        self, path: Path, first: Callable[[], Mapping[str, Any]], reading: Mapping[str, Any]
    ) -> None:
        self._path = path
        self._first = first
        self._reading = reading
        self._numbers: dict[str, NumberFormat] = {}
        self._dates: dict[tuple[str, bool], DateFormat | None] = {}

    def number(self, name: str) -> NumberFormat:
        """How the numbers of a column are written.

        Raises:
            DataError: Where they can be read in two ways.
        """
        if name not in self._numbers:
            try:
                found = self._number_format(name)
            except UnclearNumbersError as error:
                raise DataError(f"{self._path}, column '{name}': {error}") from None
            self._numbers[name] = found or NumberFormat()
        return self._numbers[name]

    def date(self, name: str, *, timed: bool = False) -> DateFormat | None:
        """How the dates of a column are written; None where it is not one of dates.

        Args:
            name: Of the column.
            timed: Whether it is known to hold times, so that whole numbers may be dates.

        Raises:
            DataError: Where they can be read in two ways.
        """
        key = (name, timed)
        if key not in self._dates:
            try:
                self._dates[key] = self._date_format(name, timed)
            except UnclearDatesError as error:
                raise DataError(f"{self._path}, column '{name}': {error}") from None
        return self._dates[key]

    def settings(self) -> dict[str, Any]:
        """What was found of the columns that were read, for files with fewer rows."""
        found = dict(self._reading)
        orders = {form.name for form in self._dates.values() if form is not None}
        decimals = {form.decimal for form in self._numbers.values() if not form.is_plain}
        if len(orders) == 1 and orders <= set(ORDERS):
            found["dates"] = orders.pop()
        if len(decimals) == 1:
            found["decimal"] = "comma" if decimals.pop() == "," else "point"
        return found

    def notes(self) -> list[str]:
        """What is special about the columns that were read, one sentence each."""
        said = {name: form.about() for name, form in self._numbers.items() if form.about()}
        for (name, _), form in self._dates.items():
            if form is not None and form.name != ORDINARY:
                said[name] = f"dates as {form.name}"
        return [f"column '{name}' is read with {what}" for name, what in said.items()]

    def is_dated(self, name: str) -> bool:
        """Whether a column holds dates, clear or not."""
        try:
            return self._date_format(name, False) is not None
        except UnclearDatesError:
            return True

    @property
    def are_plain(self) -> bool:
        """Whether what arrow reads as a number can be no other one."""
        return self._reading.get("separator") != "semicolon" and not self._reading.get("decimal")

    def numeric(self) -> set[str]:
        """The columns that hold numbers and nothing else, some of which may be missing."""
        first = self._first()

        def those(names: list[str]) -> Iterator[str]:
            found = cells.matrix([first[name] for name in names]) if self.are_plain else None
            if found is not None:
                filled = ~np.isnan(found).all(axis=1)
                yield from (name for name, there in zip(names, filled, strict=True) if there)
            elif len(names) > 1:
                half = len(names) // 2
                yield from those(names[:half])
                yield from those(names[half:])
            elif names and self._is_numeric(names[0]):
                yield names[0]

        return set(those(list(first)))

    def looks_numeric(self, name: str) -> bool:
        """Whether a column is made of numbers; the fault of some cells is told when it is read."""
        if self._is_numeric(name):
            return True
        kinds = [kind_of(text) for text in self._texts(name)]
        filled = [kind for kind in kinds if kind is not Kind.EMPTY]
        return bool(filled) and filled.count(Kind.NUMBER) > _MOSTLY * len(filled)

    def _is_numeric(self, name: str) -> bool:
        try:
            form = self._number_format(name) or NumberFormat()
        except UnclearNumbersError:
            return True
        found, bad = cells.numbers(self._first()[name], form)
        return bad is None and not np.isnan(found).all()

    def _number_format(self, name: str) -> NumberFormat | None:
        sign = SEPARATORS.get(self._reading.get("separator") or "")
        return number_format(self._texts(name), self._reading.get("decimal"), sign)

    def _date_format(self, name: str, timed: bool) -> DateFormat | None:
        texts = [text for text in self._texts(name) if kind_of(text) is not Kind.EMPTY]
        found = date_format(texts, self._reading.get("dates"))
        return compact_format(texts) if found is None and timed else found

    def _texts(self, name: str) -> list[str]:
        return [text for text in cells.texts(self._first()[name]) if text is not None]
