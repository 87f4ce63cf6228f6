"""The checks of scikit-learn, as parameters of a test."""

import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator

_OF_WHAT_IS_LEARNT = ("_train", "_classes")


def checks_of(estimator, not_defined):
    """Each check that is defined for an estimator, with a copy of it.

    The copy trains for two epochs where a check does not look at what is learnt.
    """
    cases = []
    for made, check in estimator_checks_generator(estimator):
        name = getattr(check, "func", check).__name__
        if name not in not_defined:
            few = {} if name.endswith(_OF_WHAT_IS_LEARNT) else {"epochs": 2}
            cases.append(pytest.param(clone(made).set_params(**few), check, id=name))
    return cases
