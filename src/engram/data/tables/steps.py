"""Steps: rows of a long table on their way to sequences, in any order and in bounded memory."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.arrays.spool import Passing, Spool, blank, let_go, stretches

_UNEVEN = 1.2  # months differ by a tenth, and a missing step doubles one


@dataclass(frozen=True)
class Order:
    """In what order rows stood.

    Attributes:
        unsorted: Series whose rows were not in the order of time.
        irregular: Series whose longest step of time is over 1.2 times the shortest.
        twice: The number of a row, and of its series, whose time came before; or None.
    """

    unsorted: int = 0
    irregular: int = 0
    twice: tuple[int, int] | None = None


class Steps:
    """Collects rows, then lays those of a series one after another.

    Args:
        width: F, values a row.
        timed: Whether rows have times.
    """

    def __init__(self, width: int, *, timed: bool) -> None:
        self._codes = Spool(np.int32)
        self._values = Spool(np.float32, (width,))
        self._times = Spool(np.float64) if timed else None

    def extend(self, codes: np.ndarray, values: np.ndarray, times: np.ndarray | None) -> None:
        """Add rows.

        Args:
            codes: Which series each belongs to, numbered from 0 as they come, ``(n,)``.
            values: ``(n, F)``.
            times: ``(n,)``, where rows have some.
        """
        self._codes.extend(codes)
        self._values.extend(values)
        if self._times is not None and times is not None:
            self._times.extend(times)

    def finish(
        self, series: int, columns: tuple[str, ...]
    ) -> tuple[Sequences, np.ndarray | None, Order]:
        """All rows by series, and within each by time.

        Returns:
            The rows, their times ``(N,)`` where they have some, and how they stood before.
        """
        codes, values = self._codes.finish(), self._values.finish()
        times = None if self._times is None else self._times.finish()
        counts = np.zeros(series, dtype=np.int64)
        together = True
        for part in stretches(len(codes)):
            counts += np.bincount(codes[part], minlength=series)
            seam = codes[max(0, part.start - 1) : part.stop]
            together = together and bool((np.diff(seam) >= 0).all())
            let_go(codes)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        if together:
            rows = None
        else:
            rows = _by_series(codes, offsets)
            values = _moved(values, rows)
            times = None if times is None else _moved(times, rows)
        order = Order()
        if times is not None:
            order = _by_time(values, times, offsets, rows)
        return Sequences(values, offsets, columns), times, order


def _by_series(codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Where each row goes so that those of a series stand together, ``(N,)``."""
    places = blank(len(codes), np.int64)
    free = offsets[:-1].copy()  # the next place of each series
    for part in stretches(len(codes)):
        own = np.array(codes[part])
        let_go(codes)
        order = np.argsort(own, kind="stable")
        sorted_codes = own[order]
        begins = np.flatnonzero(np.diff(sorted_codes, prepend=-1))
        sizes = np.diff(begins, append=len(own))
        rank = np.arange(len(own)) - np.repeat(begins, sizes)
        places[part][order] = free[sorted_codes] + rank
        free[sorted_codes[begins]] += sizes
    return places


def _moved(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    moved = blank(len(rows), rows.dtype, rows.shape[1:])
    for part in stretches(len(rows)):
        moved[places[part]] = rows[part]
        let_go(rows)
        let_go(moved)
    return moved


def _by_time(
    values: np.ndarray, times: np.ndarray, offsets: np.ndarray, places: np.ndarray | None
) -> Order:
    """Put the rows of each series, and their times, in the order of time, in place."""
    unsorted = irregular = 0
    passing = Passing(values, times)
    for code, (start, stop) in enumerate(pairwise(offsets)):
        own = times[start:stop]
        steps = np.diff(own)
        if (steps <= 0).any():
            order = np.argsort(own, kind="stable")
            steps = np.diff(own[order])
            if (steps == 0).any():
                place = int(start + order[int(np.flatnonzero(steps == 0)[0]) + 1])
                row = place if places is None else int(np.flatnonzero(places == place)[0])
                return Order(twice=(row, code))
            unsorted += 1
            values[start:stop] = values[start:stop][order]
            times[start:stop] = own[order]
        passing.over(values[start:stop].nbytes)
        irregular += bool(len(steps) > 1 and steps.max() > _UNEVEN * steps.min())
    return Order(unsorted, irregular)
