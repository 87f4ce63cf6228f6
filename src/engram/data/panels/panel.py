"""Panel: series of numbers in time, with what else is known of their steps."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.arrays.spool import Passing, Spool, let_go, stretches
from engram.data.panels.calendars.calendar import UNEVEN, Calendar
from engram.errors import DataError

_SHOWN = 6  # times in a sentence


@dataclass(frozen=True)
class Panel:
    """Some series, whose first column is asked for.

    Attributes:
        sequences: ``(N, 1 + P + K)`` float32: what is asked for, columns that are known up to now,
            and columns that are known ahead; NaN is missing.
        times: Of each step, ``(N,)`` float64; dates are seconds since 1970.
        keys: What each series is called.
        past: P, how many columns are known up to now.
        calendar: When steps are.
        ahead: How many of the last steps of each series are yet to come, ``(n,)`` int64.
    """

    sequences: Sequences
    times: np.ndarray
    keys: list[str]
    past: int
    calendar: Calendar
    ahead: np.ndarray

    def __len__(self) -> int:
        return len(self.sequences)

    @cached_property  # asked for once for each series
    def lengths(self) -> np.ndarray:
        """Steps of each series that have been, ``(n,)`` int64."""
        return self.sequences.lengths - self.ahead

    @property
    def known(self) -> int:
        """K, how many columns are known ahead."""
        return self.sequences.width - 1 - self.past

    def indices(self) -> Iterator[int]:
        """The number of each series in its turn; what was read of those before is let go."""
        passing = Passing(self.sequences.values, self.times)
        for index in range(len(self)):
            yield index
            passing.over(self.sequences[index].nbytes)

    def target(self, index: int) -> np.ndarray:
        """What has been of a series, ``(T,)`` float32."""
        return self.sequences[index][: self.lengths[index], 0]

    def times_of(self, index: int) -> np.ndarray:
        """The times of all steps of a series."""
        offsets = self.sequences.offsets
        return self.times[offsets[index] : offsets[index + 1]]

    def take(self, indices: Sequence[int] | np.ndarray) -> Self:
        """Those series, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        times = _together(self.times_of(int(index)) for index in chosen)
        keys = [self.keys[index] for index in chosen]
        made = self.sequences.take(chosen)
        return replace(self, sequences=made, times=times, keys=keys, ahead=self.ahead[chosen])

    def before(self, steps: int) -> Self:
        """All but a number of the last steps that have been of each series, and of those to "
        "come."""
        return self._changed(
            lambda index, values: values[: max(0, int(self.lengths[index]) - steps)],
            lambda index, times: times[: max(0, int(self.lengths[index]) - steps)],
            np.zeros(len(self), dtype=np.int64),
        )

    def with_ahead(self, steps: int) -> Self:
        """The same with exactly this number of steps to come in each series.

        What is known of them belongs to its date, wherever its row stands.

        Raises:
            DataError: If columns that have to be known ahead are not, with the dates that lack
                them, and for a date that is no step of the calendar.
        """
        columns = self.sequences.columns[1 + self.past :]

        def values(index: int, own: np.ndarray) -> np.ndarray:
            length = int(self.lengths[index])
            made = np.full((length + steps, own.shape[1]), np.nan, dtype=np.float32)
            made[:length] = own[:length]
            places = self._ahead_places(index) if len(columns) else np.empty(0, dtype=np.int64)
            soon = places < steps
            made[length + places[soon]] = own[length:][soon]
            lacking = np.isnan(made[length:, 1 + self.past :])
            if lacking.any():
                column = int(np.flatnonzero(lacking.any(axis=0))[0])
                last = self.times_of(index)[length - 1]
                when = self.calendar.after(last, steps)[lacking[:, column]]
                raise DataError(
                    f"series '{self.keys[index]}' ends with {self._time(index)}, but "
                    f"'{columns[column]}' is missing for {len(when)} of the {steps} steps after "
                    f"it: {shown(self.calendar.written(when))}; add rows that have it"
                )
            return made

        def times(index: int, own: np.ndarray) -> np.ndarray:
            length = int(self.lengths[index])
            return np.concatenate([own[:length], self.calendar.after(own[length - 1], steps)])

        return self._changed(values, times, np.full(len(self), steps, dtype=np.int64))

    def filled(self) -> Self:
        """The same with the steps that were left out, whose values are missing.

        Raises:
            DataError: For steps that do not stand on the calendar.
        """
        places, ahead = [], self.ahead.copy()
        for index in self.indices():
            own = self.times_of(index)
            place, wrong = self._places(own)
            if wrong.any():
                when = self.calendar.written(own[wrong][:1])[0]
                raise DataError(
                    f"series '{self.keys[index]}' has a step at {when}, which does not fit one "
                    f"per {self.calendar.name}; fix it, or leave gaps as they are"
                )
            places.append(place)
            ahead[index] = place[-1] - place[int(self.lengths[index]) - 1]

        def values(index: int, own: np.ndarray) -> np.ndarray:
            made = np.full((places[index][-1] + 1, own.shape[1]), np.nan, dtype=np.float32)
            made[places[index]] = own
            return made

        def times(index: int, own: np.ndarray) -> np.ndarray:
            made = np.concatenate([own[:1], self.calendar.after(own[0], int(places[index][-1]))])
            made[places[index]] = own
            return made

        return self._changed(values, times, ahead)

    def irregular(self) -> tuple[int, str]:
        """How many steps that have been are not one of the calendar, and where the first is."""
        count, where = 0, ""
        for index in self.indices():
            own = self.times_of(index)[: self.lengths[index]]
            bad = np.flatnonzero(np.abs(self.calendar.steps(own) - 1) > UNEVEN)
            if len(bad) and not count:
                when = self.calendar.written(own[bad[0] + 1 : bad[0] + 2])[0]
                where = f"before {when} in series '{self.keys[index]}'"
            count += len(bad)
        return count, where

    @cached_property
    def carried(self) -> np.ndarray:
        """What is asked for, with the last value where one is missing, ``(N,)`` float32.

        NaN where no value was before.
        """
        laid = Spool(np.float32)
        for index in self.indices():
            own = self.sequences[index]
            rows = np.where(np.isnan(own[:, 0]), 0, np.arange(len(own)))
            laid.extend(own[np.maximum.accumulate(rows), 0])
        return laid.finish()

    def digest(self) -> str:
        """Tells whether the same series were read again."""
        digest = hashlib.blake2b("\0".join(self.keys).encode(), digest_size=16)
        digest.update(self.sequences.offsets.tobytes() + self.ahead.tobytes())
        for array in (self.sequences.values, self.times):
            for stretch in stretches(len(array)):
                digest.update(np.ascontiguousarray(array[stretch]).data)
                let_go(array)
        return digest.hexdigest()

    def _ahead_places(self, index: int) -> np.ndarray:
        """How many steps after the first one to come each row to come lies, int64."""
        length = int(self.lengths[index])
        own = self.times_of(index)[length - 1 :]
        places, wrong = self._places(own)
        if wrong.any():
            when = self.calendar.written(own[wrong])
            following = self.calendar.written(self.calendar.after(own[0], 1))[0]
            raise DataError(
                f"series '{self.keys[index]}' has one step per {self.calendar.name} up to "
                f"{self._time(index)}, then {following}, but has rows to come for {shown(when)}; "
                "remove them, or give them the dates of steps"
            )
        return places[1:] - 1

    def _places(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many steps each time lies after the first, int64, and which ones lie on none."""
        steps = self.calendar.steps(times)
        whole = np.round(steps)
        wrong = (np.abs(steps - whole) > UNEVEN) | (whole < 1)
        places = np.concatenate([[0], np.cumsum(whole)]).astype(np.int64)
        return places, np.concatenate([[False], wrong])

    def _time(self, index: int) -> str:
        last = int(self.lengths[index]) - 1
        return self.calendar.written(self.times_of(index)[last : last + 1])[0]

    def _changed(
        self,
        values: Callable[[int, np.ndarray], np.ndarray],
        times: Callable[[int, np.ndarray], np.ndarray],
        ahead: np.ndarray,
    ) -> Self:
        """The same series with other steps."""
        made = (values(index, self.sequences[index]) for index in self.indices())
        sequences = Sequences.of(made, self.sequences.columns)
        laid = _together(times(index, self.times_of(index)) for index in self.indices())
        return replace(self, sequences=sequences, times=laid, ahead=ahead)


def joined(panel: Panel, later: Panel) -> Panel:
    """Series with what came after; those that got nothing stay as they are.

    Raises:
        DataError: For other series or columns, and times that do not follow.
    """
    places = {key: index for index, key in enumerate(later.keys)}
    new = sorted(set(later.keys) - set(panel.keys))
    if new:
        raise DataError(
            f"series '{new[0]}' was not in the training data; give known series only, or fit again"
        )
    if later.sequences.width != panel.sequences.width:
        raise DataError(
            f"series have {later.sequences.width} columns, but had {panel.sequences.width} before; "
            "give the same columns"
        )
    values, times, ahead = [], [], panel.ahead.copy()
    for index, key in enumerate(panel.keys):
        own, when = panel.sequences[index], panel.times_of(index)
        if key in places:
            length, place = int(panel.lengths[index]), places[key]
            own, when = own[:length], when[:length]
            then = later.times_of(place)
            if len(when) and then[0] <= when[-1]:
                first, last = (panel.calendar.written(t)[0] for t in (then[:1], when[-1:]))
                raise DataError(
                    f"series '{key}' continues at {first}, but was already read up to {last}; give "
                    "only later steps"
                )
            own, when = np.concatenate([own, later.sequences[place]]), np.concatenate([when, then])
            ahead[index] = later.ahead[place]
        values.append(own)
        times.append(when)
    sequences = Sequences.of(values, panel.sequences.columns)
    return replace(panel, sequences=sequences, times=_together(times), ahead=ahead)


def shown(times: Sequence[str]) -> str:
    """Some times in a sentence: all where they are few, else the first ones and the last."""
    if len(times) <= _SHOWN:
        return ", ".join(times)
    return f"{', '.join(times[: _SHOWN - 2])}, …, {times[-1]}"


def _together(parts: Iterable[np.ndarray]) -> np.ndarray:
    laid = Spool(np.float64)
    for part in parts:
        laid.extend(part)
    return laid.finish()
