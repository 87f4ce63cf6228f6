"""Spectral radii: as numpy's eigenvalues, whatever way they are found; and what has none."""

import numpy as np
import pytest
import scipy.sparse.linalg

from engram.errors import ConfigError
from engram.layers import spectrum
from engram.layers.spectrum import scaled_to, spectral_radius


def _sparse(units, density, seed):
    draw = np.random.default_rng(seed)
    return np.where(draw.random((units, units)) < density, draw.standard_normal((units, units)), 0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("units", "density"), [(7, 1.0), (60, 0.1), (300, 0.02), (500, 0.1)])
def test_as_the_largest_of_all_eigenvalues(units, density, seed, monkeypatch):
    weights = _sparse(units, density, seed)
    expected = np.abs(np.linalg.eigvals(weights)).max()
    assert spectral_radius(weights) == pytest.approx(expected, rel=1e-9)
    monkeypatch.setattr(spectrum, "_UNITS_FOR_ALL", 0 if units > 20 else units)
    assert spectral_radius(scipy.sparse.csr_array(weights)) == pytest.approx(expected, rel=1e-9)


def test_all_eigenvalues_where_the_search_does_not_converge(monkeypatch):
    """Those of a cycle all have the same absolute value."""
    units = 40
    ring = 0.7 * np.roll(np.eye(units), 1, axis=0)
    monkeypatch.setattr(spectrum, "_UNITS_FOR_ALL", 0)
    calls = []

    def fails(*args, **kwargs):
        calls.append(args)
        raise scipy.sparse.linalg.ArpackError(-1)

    monkeypatch.setattr(scipy.sparse.linalg, "eigs", fails)
    assert spectral_radius(ring) == pytest.approx(0.7)
    assert calls


def test_scaled():
    weights = _sparse(50, 0.2, 0)
    for radius in (0.3, 1.4):
        assert spectral_radius(scaled_to(weights, radius)) == pytest.approx(radius)
    assert not scaled_to(weights, 0.0).any()


def test_what_has_no_cycle_cannot_be_scaled():
    chain = np.diag(np.ones(19), -1)
    shuffled = np.random.default_rng(0).permutation(20)
    for weights in (chain, chain[np.ix_(shuffled, shuffled)], np.zeros((20, 20))):
        assert spectral_radius(weights) == 0.0
        with pytest.raises(
            ConfigError,
            match=r"radius of 0\.9 cannot be reached: the \d+ recurrent weights among 20 units "
            r"form no cycle.*raise density or units",
        ):
            scaled_to(weights, 0.9)
    chain[0, 19] = 1e-3  # now there is one
    assert spectral_radius(scaled_to(chain, 0.9)) == pytest.approx(0.9)
