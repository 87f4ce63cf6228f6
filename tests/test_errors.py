"""The kinds of fault, and near names."""

import pytest

from engram import errors
from engram.errors import did_you_mean


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("lstn", "did you mean 'lstm'? accepted: gru, lstm"),
        ("gru", "did you mean 'gru'? accepted: gru, lstm"),
        ("transformer", "accepted: gru, lstm"),
        ("", "accepted: gru, lstm"),
    ],
)
def test_near_names(given, text):
    assert did_you_mean(given, ["lstm", "gru"]) == text


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (errors.ConfigError, ValueError),
        (errors.DataError, ValueError),
        (errors.NumericsError, ArithmeticError),
        (errors.RunError, Exception),
    ],
)
def test_kinds_are_engram_errors_and_python_s(kind, base):
    assert issubclass(kind, errors.EngramError)
    assert issubclass(kind, base)
