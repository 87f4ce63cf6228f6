"""Fit and predict, for people who know scikit-learn."""

from engram.estimators.echo_state import EchoState
from engram.estimators.language_model import LanguageModel

__all__ = ["EchoState", "LanguageModel"]
