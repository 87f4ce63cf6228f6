"""Sunspots: their number in each year from 1700 to 2008, as statsmodels carries it."""

import numpy as np

from engram.errors import ConfigError


def sunspots() -> tuple[np.ndarray, np.ndarray]:
    """Yearly means of the sunspot number (NOAA, in the public domain).

    Returns:
        The years ``(309,)`` float64, and the number of each ``(309,)`` float32.

    Raises:
        ConfigError: If statsmodels is not installed.
    """
    try:
        from statsmodels.datasets import sunspots as carried  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigError(
            "the series 'sunspots' comes with statsmodels, which is not installed; run "
            "pip install 'engram[examples]'"
        ) from None
    table = carried.load_pandas().data
    return table["YEAR"].to_numpy(np.float64), table["SUNACTIVITY"].to_numpy(np.float32)
