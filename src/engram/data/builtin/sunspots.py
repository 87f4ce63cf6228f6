"""Sunspots: their number in each year from 1700 to 2008, as statsmodels carries it."""

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.panels.frequency import Frequency
from engram.data.panels.panel import Panel
from engram.errors import ConfigError


def sunspots() -> Panel:
    """Yearly means of the sunspot number (NOAA, in the public domain).

    Raises:
        ConfigError: Where statsmodels is not installed.
    """
    try:
        from statsmodels.datasets import sunspots as carried  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigError(
            "the series 'sunspots' comes with statsmodels, which is not installed; run "
            "pip install 'engram[examples]'"
        ) from None
    table = carried.load_pandas().data
    values = table["SUNACTIVITY"].to_numpy(np.float32)[:, None]
    times = table["YEAR"].to_numpy(np.float64)
    sequences = Sequences.of([values], ("sunspots",))
    ahead = np.zeros(1, dtype=np.int64)
    return Panel(sequences, times, ["sunspots"], 0, Frequency("number", 1.0), ahead)
