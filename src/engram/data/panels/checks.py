"""What in series stands in the way of forecasting them."""

import numpy as np

from engram.data.panels.panel import Panel
from engram.errors import DataError

_READ = 1_000_000  # steps in which such copies of the target are looked for
_ALIKE = 0.9999  # correlation with the target from which a column is taken for it


def require_values(panel: Panel, missing: str) -> None:
    """See that values that must not be missing are there.

    Args:
        panel: The series.
        missing: What is done with missing values; only ``"refuse"`` needs all of them.

    Raises:
        DataError: For the first that is missing.
    """
    if missing != "refuse":
        return
    for index, key in zip(panel.indices(), panel.keys, strict=True):
        own = panel.sequences[index][: panel.lengths[index]]
        bad = np.argwhere(np.isnan(own))
        if len(bad):
            step, column = bad[0]
            when = panel.calendar.written(panel.times_of(index)[step : step + 1])[0]
            name = panel.sequences.columns[column] if column else "the value"
            raise DataError(
                f"series '{key}': {name} is missing at {when}, and {len(bad) - 1:,} more values "
                "after it; fill them in, or choose --missing impute or --missing mask"
            )


def constant_series(train: Panel) -> list[str]:
    """A warning of series that never change, if there are any."""
    still = [
        key
        for index, key in zip(train.indices(), train.keys, strict=True)
        if np.nanmin(train.target(index)) == np.nanmax(train.target(index))
    ]
    if not still:
        return []
    return [
        f"{len(still):,} series are constant in the training set, such as '{still[0]}'; their "
        "errors cannot be scaled"
    ]


def leaking_columns(train: Panel) -> list[str]:
    """Warnings of columns known ahead that are the target itself, one for each."""
    values = train.sequences.values[:_READ]
    found = []
    for place in range(1 + train.past, values.shape[1]):
        there = np.isfinite(values[:, 0]) & np.isfinite(values[:, place])
        pair = values[there][:, [0, place]].astype(np.float64)
        if len(pair) < 10 or (pair.std(axis=0) == 0).any():
            continue
        if abs(float(np.corrcoef(pair.T)[0, 1])) > _ALIKE:
            found.append(
                f"the column '{train.sequences.columns[place]}' is the target itself, or a copy of "
                "it; leave it out of --known, unless it is known in advance"
            )
    return found
