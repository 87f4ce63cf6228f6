"""How near two engines must come to each other, per dtype: the one table."""

import torch

TOLERANCES = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},
    torch.float64: {"rtol": 1e-10, "atol": 1e-12},
}


def assert_within_the_stated_error(rounded, exact):
    """float32 against float64: outputs within 2e-6, gradients within 1e-5 of their largest."""
    for name, value in exact.items():
        error, largest = (rounded[name].double() - value).abs().max(), value.abs().max()
        bound = 1e-5 * largest if "gradient" in name else 2e-6 * max(1.0, float(largest))
        assert error <= bound, name


def assert_near(actual, expected):
    """Compare tensors by name; none may be missing on either side."""
    assert list(actual) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(
            actual[name], value, **TOLERANCES[value.dtype], msg=lambda m, name=name: f"{name}: {m}"
        )
