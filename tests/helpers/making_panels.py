"""Panels from arrays."""

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.panels.calendars.even import Even
from engram.data.panels.panel import Panel


def panel_of(*arrays, past=0, times=None, ahead=None, keys=None, calendar=None):
    made = [np.asarray(each, dtype=np.float32) for each in arrays]
    made = [each[:, None] if each.ndim == 1 else each for each in made]
    given = times or [np.arange(len(each)) for each in made]
    return Panel(
        Sequences.of(made),
        np.concatenate(given).astype(np.float64),
        keys or [f"s{place}" for place in range(len(made))],
        past,
        calendar or Even(),
        np.array(ahead or [0] * len(made)),
    )
