"""Ridge regression: a linear readout in closed form, from sums over any number of rows.

W and b minimise Σ ‖y - b - W x‖² + ridge ‖W‖² (Hoerl, Kennard 1970). Rows are added in pieces and
not stored: only sums of products are kept, in float64, so pieces in any order give the same
readout up to rounding.
"""

from collections.abc import Sequence

import numpy as np
import scipy.linalg
import torch
from scipy.linalg.lapack import dpocon
from torch import Tensor

from engram.errors import ConfigError, DataError

# Candidates for ridge="auto".
RIDGES = tuple(10.0**power for power in range(-12, 3))


class Moments:
    """Sums over rows of features ``(R, F)`` and targets ``(R, O)``.

    They are centred on the mean of the first rows: around zero, small differences between states
    far from zero would be lost to rounding.

    Args:
        features: F, number of features.
        outputs: O, number of outputs.

    Attributes:
        count: Number of rows so far.
    """

    def __init__(self, features: int, outputs: int) -> None:
        self.features, self.outputs = features, outputs
        self.count = 0
        size = features + outputs
        self._centre = torch.zeros(size, dtype=torch.float64)
        self._sums = torch.zeros(size, dtype=torch.float64)
        self._products = torch.zeros(size, size, dtype=torch.float64)

    def add(self, features: Tensor, targets: Tensor) -> None:
        """Add rows.

        Raises:
            DataError: If one is NaN or infinite.
        """
        rows = torch.cat([features.to(torch.float64), targets.to(torch.float64)], dim=1)
        if not rows.shape[0]:
            return
        if not self.count:
            self._centre = rows.mean(dim=0)
        rows = rows - self._centre
        sums = rows.sum(dim=0)
        if not bool(torch.isfinite(sums).all()):
            raise DataError("a state or a target is NaN or infinite; look for such values in X, y")
        self.count += rows.shape[0]
        self._sums += sums
        self._products.addmm_(rows.t(), rows)

    def means(self) -> np.ndarray:
        """The means of features and targets, ``(F + O,)``."""
        return (self._centre + self._sums / self.count).numpy()

    def around(self, place: np.ndarray) -> np.ndarray:
        """Sums of products of the differences from a point, ``(F + O, F + O)``."""
        shift = torch.from_numpy(place) - self._centre
        mixed = torch.outer(self._sums, shift)
        moved = self._products - mixed - mixed.t() + self.count * torch.outer(shift, shift)
        return moved.numpy()


def solve(pieces: Sequence[Moments], ridge: float) -> tuple[Tensor, Tensor]:
    """Solve for the readout of all rows.

    Args:
        pieces: Sums over rows with the same features and targets.
        ridge: Penalty, from 0.

    Returns:
        Weights ``(O, F)`` and bias ``(O,)``, float64.

    Raises:
        DataError: If there are no rows.
        ConfigError: If there is no unique solution.
    """
    means, products = _together(pieces)
    size = pieces[0].features
    penalised = products[:size, :size] + ridge * np.eye(size)
    try:
        factor, lower = scipy.linalg.cho_factor(penalised, lower=True)
    except scipy.linalg.LinAlgError:
        raise _singular(pieces, ridge, products) from None
    if ridge == 0.0:
        reciprocal, _ = dpocon(factor, np.abs(penalised).sum(axis=0).max(), uplo="L")
        if reciprocal < np.finfo(np.float64).eps:
            raise _singular(pieces, ridge, products)
    weights = scipy.linalg.cho_solve((factor, lower), products[:size, size:]).T
    return _readout(means, weights)


def choose_ridge(learnt: Moments, held_out: Moments, ridges: Sequence[float] = RIDGES) -> float:
    """The ridge whose readout has the lowest validation error; outputs count equally.

    One eigendecomposition serves all candidates.

    Raises:
        DataError: If there are no rows to fit or to validate on.
    """
    means, products = _together([learnt])
    _together([held_out])
    size = learnt.features
    values, vectors = scipy.linalg.eigh(products[:size, :size])
    mixed = vectors.T @ products[:size, size:]
    unseen = held_out.around(means)
    spread = vectors.T @ unseen[:size, :size] @ vectors
    unseen_mixed = vectors.T @ unseen[:size, size:]
    total = np.diag(unseen)[size:]
    scale = np.maximum(np.diag(products)[size:], np.finfo(np.float64).tiny)
    errors = []
    for ridge in ridges:
        weights = mixed / np.maximum(values + ridge, np.finfo(np.float64).tiny)[:, None]
        error = (
            total - 2.0 * (weights * unseen_mixed).sum(0) + (weights * (spread @ weights)).sum(0)
        )
        errors.append(float((error / scale).sum()))
    return float(ridges[int(np.argmin(errors))])


def _together(pieces: Sequence[Moments]) -> tuple[np.ndarray, np.ndarray]:
    """Means of the rows of all pieces, and sums of products around them."""
    count = sum(piece.count for piece in pieces)
    if not all(piece.count for piece in pieces):
        raise DataError(
            "no rows are left to fit the readout on; give longer or more series, or a shorter "
            "warm_up"
        )
    means = np.sum([piece.count * piece.means() for piece in pieces], axis=0) / count
    return means, np.sum([piece.around(means) for piece in pieces], axis=0)


def _readout(means: np.ndarray, weights: np.ndarray) -> tuple[Tensor, Tensor]:
    size = weights.shape[1]
    bias = means[size:] - weights @ means[:size]
    return torch.from_numpy(np.ascontiguousarray(weights)), torch.from_numpy(bias)


def _singular(pieces: Sequence[Moments], ridge: float, products: np.ndarray) -> ConfigError:
    size, rows = pieces[0].features, sum(piece.count for piece in pieces)
    enough = np.finfo(np.float64).eps * float(np.trace(products[:size, :size]))
    return ConfigError(
        f"the readout has no unique solution with ridge={ridge:g}: its {size} features depend on "
        f"each other over {rows:,} rows; set ridge to {max(enough, 1e-12):.0e} or more, or to "
        "'auto', or give more rows than features"
    )
