"""Seeds that follow from numbers."""

import numpy as np


def seed_of(*numbers: int) -> int:
    """A seed that follows from numbers from 0, and is another for any others."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
