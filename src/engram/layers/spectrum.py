"""Spectrum: the spectral radius of a recurrent matrix, and scaling to one.

scipy is loaded on first use, because every layer imports this module and few need it.
"""

from typing import TYPE_CHECKING

import numpy as np

from engram.errors import ConfigError

if TYPE_CHECKING:
    import scipy.sparse

# Number of units up to which all eigenvalues are computed, which takes a tenth of a second.
_UNITS_FOR_ALL = 500
# Number of eigenvalues computed for a larger matrix. The largest ones of a random matrix are close
# together, and a search for only one often ends at the second or third.
_SOUGHT = 6
# An eigenvalue below this is zero up to rounding.
_SMALLEST = 1e-12


def spectral_radius(weights: "np.ndarray | scipy.sparse.csr_array") -> float:
    """The largest absolute eigenvalue of a square matrix."""
    import scipy.linalg
    import scipy.sparse
    from scipy.sparse.linalg import ArpackError, eigs

    matrix = scipy.sparse.csr_array(weights)
    if not _has_cycle(matrix):
        return 0.0
    units = matrix.shape[0]
    if units > _UNITS_FOR_ALL:
        start = np.ones(units, dtype=matrix.dtype)  # deterministic
        try:
            found = eigs(matrix, k=_SOUGHT, which="LM", v0=start, return_eigenvectors=False)
            return float(np.abs(found).max())
        except ArpackError:  # it did not converge
            pass
    return float(np.abs(scipy.linalg.eigvals(matrix.toarray())).max())


def scaled_to(weights: np.ndarray, radius: float) -> np.ndarray:
    """Scale a matrix to the spectral radius ``radius``.

    Raises:
        ConfigError: If it cannot be reached because every eigenvalue is zero.
    """
    if radius == 0.0:
        return np.zeros_like(weights)
    found = spectral_radius(weights)
    if found <= _SMALLEST * max(float(np.abs(weights).max()), np.finfo(weights.dtype).tiny):
        count, units = int(np.count_nonzero(weights)), weights.shape[0]
        raise ConfigError(
            f"a spectral radius of {radius:g} cannot be reached: the {count} recurrent weights "
            f"among {units} units form no cycle, so that every eigenvalue is 0 at any scale; raise "
            "density or units, or draw with another seed"
        )
    return weights * (radius / found)


def _has_cycle(matrix: "scipy.sparse.csr_array") -> bool:
    """Whether some unit reaches itself: all eigenvalues of a matrix without cycles are 0."""
    from scipy.sparse.csgraph import connected_components

    components, _ = connected_components(matrix, directed=True, connection="strong")
    return components < matrix.shape[0] or bool(np.any(matrix.diagonal()))
