"""SequenceTagger: predict a tag for each step of a sequence, with the scikit-learn API."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.tagging.tagged import Lists, Tagged, split_tagged
from engram.errors import DataError
from engram.estimators.inputs import are_texts, in_order, listed, require_as_many, texts
from engram.estimators.sequence_estimator import (
    HasClasses,
    SequenceEstimator,
    answers_of,
    classes_of,
    sequences_of,
)
from engram.tasks import tag
from engram.tasks.spans import compare
from engram.tasks.task import Task, Trained
from engram.training.reporting import Reporter

_TAGS = "a tag for each step of each sequence, a list of (T,)"


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceTagger(HasClasses, SequenceEstimator):
    """A recurrent model that predicts a tag for each step.

    Args:
        vocabulary, least: For words: maximum number of words with an embedding of their own, and
            minimum number of occurrences for one.
        scaling: For numbers: standardise each column (mean 0, standard deviation 1).
        missing: How to handle NaN: ``"refuse"``, ``"impute"`` or ``"mask"``.
        cell, hidden, layers, bidirectional, embedding, dropout, dropout_input, dropout_embedding,
            weight_drop, zoneout, forget_bias: The model; see `TaggerSettings`.
        epochs, batch, optimizer, rate, schedule, clip_norm, weight_decay, label_smoothing,
            patience: The training; see `TrainingSettings`.
        valid: Fraction of the sequences, drawn by the seed, held out to select the best weights; 0
            keeps the last ones.
        random_state: Seed of all randomness; a numpy RandomState that each fit draws a seed from;
            or None for numpy's global one.
        run_dir: Folder in which to record the training; None writes nothing to disk.

    Attributes:
        classes_: The sorted tags, in their original type.
        n_features_in_: F, values per step; not set for words.
        module_: The torch module, in evaluation mode; see `Tagger`.
        preprocess_: Encoding and tags.
        settings_: All training settings.
        seed_: The seed that was drawn.
        valid_loss_: Nats per step on the validation part, or None without one.
        n_iter_: Updates of the weights in training; ``n_updates_`` is the same.

    Example:
        >>> import engram
        >>> X = [["the", "dog", "barks"], ["a", "cat", "sleeps"], ["the", "cat", "barks"]] * 8
        >>> y = [["D", "N", "V"]] * 24
        >>> model = engram.SequenceTagger(hidden=8, embedding=8, rate=0.02, valid=0).fit(X, y)
        >>> model.predict([["a", "dog", "sleeps"]])[0].tolist()
        ['D', 'N', 'V']
    """

    task: ClassVar[Task] = tag.TASK

    vocabulary: int = 50_000
    least: int = 2
    embedding: int = 100
    dropout_embedding: float = 0.0
    label_smoothing: float = 0.0

    def fit(self, X: Any, y: Sequence[Sequence[Any]], *, reporter: Reporter | None = None) -> Self:
        """Train on tagged sequences.

        Args:
            X: A list of sentences, each a list of words; an array ``(N, T, F)``; or a list of
                arrays ``(T_i, F)`` of any lengths.
            y: The tags of each, one per step: texts, whole numbers or bools.
            reporter: Receives training progress; see `engram.Reporter`.

        Raises:
            ConfigError: For invalid parameters; the message names all of them.
            DataError: For data that cannot be read, only one tag, or a different number of tags
                than steps.
        """
        settings = self._settings()
        inputs, tags = _inputs(X), _tags(y)
        require_as_many(inputs, tags, "sequences", "lists of tags")
        classes, flat = classes_of(np.concatenate([each for each in tags if len(each)] or tags))
        bounds = np.cumsum([0, *(len(each) for each in tags)])
        names = (flat[start:end] for start, end in pairwise(bounds))
        train, valid = split_tagged(Tagged(inputs, Lists.of(names)), settings.valid, settings.seed)
        data = tag.make_data(settings, (train, valid, None))
        return self._fit(settings, data, reporter=reporter, run_dir=self.run_dir, classes=classes)

    def predict(self, X: Any) -> list[np.ndarray]:
        """Predict the most likely tag of each step, ``(T_i,)`` for each sequence.

        Raises:
            DataError: For data that cannot be read, or inputs unlike those in training.
        """
        trained = self._trained()
        inputs = _inputs(X)
        self._require_width(inputs)
        part = trained.preprocess.part(Tagged(inputs))
        known = self.classes_[self._columns]
        return [known[best] for best, _ in tag.answers(trained, part)]

    def score(self, X: Any, y: Sequence[Sequence[Any]]) -> float:
        """Fraction of the steps with the correct tag."""
        given, wanted = self._beside(X, y)
        return float(np.mean(np.concatenate(given) == np.concatenate(wanted)))

    def span_f1(self, X: Any, y: Sequence[Sequence[str]]) -> float:
        """F1 over the spans marked by tags such as ``B-PER I-PER O``."""
        given, wanted = self._beside(X, y)
        return compare((each.tolist() for each in wanted), [g.tolist() for g in given])[0].f1

    def _beside(self, X: Any, y: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Predicted and true tags, checked to be equally many for each sequence."""
        given, wanted = self.predict(X), _tags(y)
        if [len(each) for each in given] != [len(each) for each in wanted]:
            raise DataError(
                "y and X differ in the number of sequences or of steps; give one tag per step"
            )
        return given, wanted

    def _class_names(self, trained: Trained) -> list[str]:
        names: list[str] = trained.preprocess.tags
        return names


def _inputs(X: Any) -> Lists | Sequences:
    """Read sentences of words, or series."""
    given = listed(in_order(X, "X", "a list of lists of words, or of series (T, F)"))
    if are_texts(given):
        raise DataError("X[0] is a text; cut it into words, such as X[0].split()")
    words = not hasattr(given, "dtype") and any(
        isinstance(each, list | tuple | np.ndarray) and are_texts(each) for each in given
    )
    if not words:
        made = sequences_of(given)
        assert isinstance(made, Sequences)
        return made
    return Lists.of([texts(each, f"X[{n}]") if len(each) else [] for n, each in enumerate(given)])


def _tags(y: Any) -> list[np.ndarray]:
    """Read the tags of each sequence, ``(T_i,)``."""
    given = in_order(y, "y", _TAGS)
    if not len(given):
        raise DataError(f"y contains no tags; it takes {_TAGS}")
    rows = [
        answers_of(each, f"y[{n}]", "a tag for each step, (T,)") for n, each in enumerate(given)
    ]
    kinds = {_family(row.dtype.kind): str(row.dtype) for row in rows if len(row)}
    if len(kinds) > 1:
        raise DataError(f"y contains tags of {' and '.join(kinds.values())}; give all of one type")
    return rows


def _family(kind: str) -> str:
    """The tag type of a numpy dtype kind."""
    return "numbers" if kind in "iuf" else "texts" if kind in "OUT" else kind
