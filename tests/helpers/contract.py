"""The checks of scikit-learn, as parameters of a test."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator


def checks_of(estimator, not_defined):
    """Each check that is defined for an estimator, with a copy of it."""
    return [
        pytest.param(made, check, id=str(getattr(check, "func", check).__name__))
        for made, check in estimator_checks_generator(estimator)
        if getattr(check, "func", check).__name__ not in not_defined
    ]
