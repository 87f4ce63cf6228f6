"""The series of Mackey and Glass: a delay equation, chaotic from τ ≈ 17 on."""

import numpy as np

from engram.errors import ConfigError

# Steps of size 1 from a random start that are left out, until the series is on its attractor.
_DISCARDED = 1000


def mackey_glass(
    steps: int, *, tau: int = 17, runs: int = 1, seed: int = 0, substeps: int = 10
) -> np.ndarray:
    """Series of dx/dt = 0.2 x(t - τ) / (1 + x(t - τ)¹⁰) - 0.1 x(t), taken at t = 0, 1, 2, ….

    Mackey, Glass 1977, "Oscillation and chaos in physiological control systems". Integrated by
    Runge and Kutta's method of fourth order; the delayed value between two points of the grid is
    interpolated from four of them by a cubic. Each run starts from another constant history, drawn
    from 1.2 ± 0.1, and its first 1,000 steps are left out.

    Args:
        steps: T.
        tau: τ, a whole number from 1.
        runs: B, independent ones.
        seed: Of the histories.
        substeps: Steps of the method in a step of the series.

    Returns:
        ``(T, B)``, float64.

    Raises:
        ConfigError: For numbers below 1.
    """
    given = {"steps": steps, "tau": tau, "runs": runs, "substeps": substeps}
    for name, value in given.items():
        if not isinstance(value, int) or value < 1:
            raise ConfigError(f"{name} is {value!r}; it must be a whole number of at least 1")
    delay, size = tau * substeps, 1.0 / substeps
    count = (_DISCARDED + steps) * substeps
    start = 1.2 + 0.2 * (np.random.default_rng(seed).random(runs) - 0.5)
    x = np.empty((delay + 1 + count, runs))
    x[: delay + 1] = start

    def slope(now: np.ndarray, then: np.ndarray) -> np.ndarray:
        return 0.2 * then / (1.0 + then**10) - 0.1 * now

    for n in range(delay, delay + count):
        late, early = x[n - delay], x[n - delay + 1]
        before, after = x[max(n - delay - 1, 0)], x[min(n - delay + 2, n)]
        middle = (9.0 * (late + early) - before - after) / 16.0
        k1 = slope(x[n], late)
        k2 = slope(x[n] + size / 2 * k1, middle)
        k3 = slope(x[n] + size / 2 * k2, middle)
        k4 = slope(x[n] + size * k3, early)
        x[n + 1] = x[n] + size / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x[delay + (_DISCARDED + 1) * substeps :: substeps]
