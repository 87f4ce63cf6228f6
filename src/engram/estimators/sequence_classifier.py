"""SequenceClassifier: predict a label for each text or series, with the scikit-learn API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin

from engram.data.labelled.examples import Examples, split_examples
from engram.estimators.inputs import require_as_many
from engram.estimators.sequence_estimator import (
    HasClasses,
    ManyToOneEstimator,
    answers_of,
    classes_of,
    sequences_of,
)
from engram.tasks import classify
from engram.tasks.task import Task, Trained
from engram.training.reporting import Reporter


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceClassifier(ClassifierMixin, HasClasses, ManyToOneEstimator):
    """A recurrent classifier of whole sequences.

    Args:
        tokens, vocabulary, lowercase: For texts: tokenisation; see
            `EncodingSettings`.
        scaling: For numbers: standardise each column (mean 0, standard deviation 1).
        missing: How to handle NaN: ``"refuse"``, ``"impute"`` or ``"mask"``.
        cell, hidden, layers, bidirectional, pooling, embedding, convolution, kernel, dropout,
            dropout_input, dropout_head, weight_drop, zoneout, forget_bias: The model; see
            `ManyToOneSettings`.
        epochs, batch, optimizer, rate, schedule, clip_norm, weight_decay, label_smoothing,
            patience: The training; see `TrainingSettings`.
        valid: Fraction of the examples, drawn by the seed, held out to select the best weights; 0
            keeps the last ones.
        random_state: Seed of all randomness; a numpy RandomState that each fit draws a seed from;
            or None for numpy's global one.
        run_dir: Folder in which to record the training; None writes nothing to disk.

    Attributes:
        classes_: The sorted labels, in their original type.
        n_features_in_: F, values per step; not set for texts.
        module_: The torch module, in evaluation mode; see `ManyToOne`.
        preprocess_: Encoding and labels.
        settings_: All training settings.
        seed_: The seed that was drawn.
        valid_loss_: Nats per example on the validation part, or None without one.
        n_iter_: Updates of the weights in training; ``n_updates_`` is the same.

    Example:
        >>> import numpy as np
        >>> import engram
        >>> slow = [np.sin(0.3 * np.arange(n) + n) for n in range(10, 20)]
        >>> fast = [np.sin(1.5 * np.arange(n) + n) for n in range(10, 20)]
        >>> X, y = slow + fast, ["slow"] * 10 + ["fast"] * 10
        >>> model = engram.SequenceClassifier(hidden=8, epochs=10, batch=5, rate=0.02, valid=0)
        >>> model = model.fit(X, y)
        >>> model.predict(X[:1]).tolist(), model.score(X, y) > 0.9
        (['slow'], True)
    """

    task: ClassVar[Task] = classify.TASK

    label_smoothing: float = 0.0

    def fit(self, X: Any, y: Sequence[Any], *, reporter: Reporter | None = None) -> Self:
        """Train on labelled sequences.

        Args:
            X: A list of texts; an array ``(N, T, F)`` or ``(N, T)``; or a list of arrays
                ``(T_i, F)`` of any lengths.
            y: One label for each: texts, whole numbers or bools.
            reporter: Receives training progress; see `engram.Reporter`.

        Raises:
            ConfigError: For invalid parameters; the message names all of them.
            DataError: For data that cannot be read, only one class, or a different number of
                labels.
        """
        settings = self._settings()
        labels = answers_of(y, "y", "a label for each sequence, (N,)")
        inputs = sequences_of(X)
        require_as_many(inputs, labels, "sequences", "labels")
        classes, names = classes_of(labels)
        train, valid = split_examples(Examples(inputs, names), settings.valid, settings.seed)
        data = classify.make_data(settings, (train, valid, None))
        return self._fit(settings, data, reporter=reporter, run_dir=self.run_dir, classes=classes)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities, ``(N, classes)`` float64, in the order of ``classes_``.

        Raises:
            DataError: For data that cannot be read, or a different number of values per step than
                in training.
        """
        trained = self._trained()
        examples = Examples(sequences_of(X))
        self._require_width(examples.inputs)
        return classify.probabilities(trained, examples)[:, np.argsort(self._columns)]

    def predict(self, X: Any) -> np.ndarray:
        """Predict the most likely label of each sequence, ``(N,)``."""
        found = self.predict_proba(X).argmax(1)
        return self.classes_[found]

    def _class_names(self, trained: Trained) -> list[str]:
        names: list[str] = trained.preprocess.classes
        return names
