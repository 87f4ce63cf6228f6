"""Whether series follow a calendar: the one that most of them have, or that of a trained model."""

import numpy as np

from engram.data.panels.calendars.finding import find_calendar
from engram.data.panels.panel import Panel
from engram.errors import DataError

_STRAY = 0.1  # of the steps of a series may be none of the calendar


def require_calendar(panel: Panel, *, dates: bool, trained: bool = False) -> None:
    """See that all series follow the panel's calendar; gaps are no matter.

    Args:
        panel: The series.
        dates: Whether their times are dates.
        trained: Whether the calendar is that of a model.

    Raises:
        DataError: For a series that follows another one.
    """
    calendar = panel.calendar
    for index in panel.indices():
        own = panel.times_of(index)
        if dates == calendar.dated:
            steps = calendar.steps(own)
            paced = not len(steps) or 0.5 < np.median(steps) < 2.0
            if paced and calendar.stray(own).mean() <= _STRAY:
                continue
        other = find_calendar(own, np.array([0, len(own)]), dates=dates).name
        others, remedy = (
            ("the model was trained on", "give series with the same steps")
            if trained
            else ("others have", "train one model per calendar")
        )
        raise DataError(
            f"series '{panel.keys[index]}' has one step per {other}, but {others} one per "
            f"{calendar.name}; {remedy}"
        )
