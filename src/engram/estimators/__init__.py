"""Estimators with the scikit-learn API."""

from engram.estimators.captioner import Captioner
from engram.estimators.echo_state import EchoState
from engram.estimators.forecaster import Forecaster
from engram.estimators.language_model import LanguageModel
from engram.estimators.sequence_classifier import SequenceClassifier
from engram.estimators.sequence_regressor import SequenceRegressor
from engram.estimators.sequence_tagger import SequenceTagger
from engram.estimators.translator import Translator

__all__ = [
    "Captioner",
    "EchoState",
    "Forecaster",
    "LanguageModel",
    "SequenceClassifier",
    "SequenceRegressor",
    "SequenceTagger",
    "Translator",
]
