"""Quiet: whether something else keeps the machine busy while times are taken.

On two cores it is ruinous: threads that wait for each other at every step then take many times as
long, of one side more than of the other.
"""

import os
import time
from pathlib import Path

_TIMES = Path("/proc/stat")
# Cores that others may keep busy before a time is doubtful.
MOST_OTHERS = 0.15


class Watch:
    """Counts, from its creation on, the processor time that is not this process's."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._others = _others_seconds()

    def others(self) -> float | None:
        """How many cores others kept busy; None where the system does not tell."""
        now = _others_seconds()
        if now is None or self._others is None:
            return None
        # ticks of the system are coarse, so this may come out slightly under zero
        return max(0.0, (now - self._others) / (time.perf_counter() - self._started))


def others_for_a_second() -> float | None:
    """How many cores are busy while this process does nothing."""
    watch = Watch()
    time.sleep(1.0)
    return watch.others()


def _others_seconds() -> float | None:
    """Seconds of all cores since the machine started, less those of this process."""
    if not _TIMES.exists():
        return None
    user, nice, system, _, _, irq, softirq, steal = (
        int(ticks) for ticks in _TIMES.read_text().splitlines()[0].split()[1:9]
    )
    busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    own = os.times()
    return busy - own.user - own.system
