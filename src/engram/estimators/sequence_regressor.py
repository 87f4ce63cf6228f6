"""SequenceRegressor: predict a number for each text or series, with the scikit-learn API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin

from engram.data.labelled.examples import Examples, split_examples
from engram.errors import DataError
from engram.estimators.inputs import numbers, require_as_many
from engram.estimators.sequence_estimator import ManyToOneEstimator, answers_of, sequences_of
from engram.tasks import regress
from engram.tasks.task import Task
from engram.training.reporting import Reporter

_TARGETS = "a number for each sequence, (N,)"


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceRegressor(RegressorMixin, ManyToOneEstimator):
    """A recurrent model that predicts a number for a whole sequence.

    Args:
        tokens, vocabulary, lowercase: For texts: tokenisation; see
            `EncodingSettings`.
        scaling: For numbers: standardise each column (mean 0, standard deviation 1).
        missing: How to handle NaN: ``"refuse"``, ``"impute"`` or ``"mask"``.
        cell, hidden, layers, bidirectional, pooling, embedding, convolution, kernel, dropout,
            dropout_input, dropout_head, weight_drop, zoneout, forget_bias: The model; see
            `ManyToOneSettings`.
        cost: Training loss on the scaled targets: ``"mean-squared"``, ``"absolute"`` or
            ``"huber"``.
        epochs, batch, optimizer, rate, schedule, clip_norm, weight_decay, patience: The training;
            see `TrainingSettings`.
        valid: Fraction of the examples, drawn by the seed, held out to select the best weights; 0
            keeps the last ones.
        random_state: Seed of all randomness; a numpy RandomState that each fit draws a seed from;
            or None for numpy's global one.
        run_dir: Folder in which to record the training; None writes nothing to disk.

    Attributes:
        n_features_in_: F, values per step; not set for texts.
        module_: The torch module, in evaluation mode; see `ManyToOne`.
        preprocess_: Encoding and the scale of targets.
        settings_: All training settings.
        seed_: The seed that was drawn.
        valid_loss_: Loss on the scaled targets of the validation part, or None without one.
        n_iter_: Updates of the weights in training; ``n_updates_`` is the same.

    Example:
        >>> import numpy as np
        >>> import engram
        >>> y = np.linspace(-1, 1, 40)
        >>> X = [np.full(5 + n % 4, value) for n, value in enumerate(y)]
        >>> model = engram.SequenceRegressor(hidden=8, epochs=10, batch=8, rate=0.02, valid=0)
        >>> model = model.fit(X, y)
        >>> model.predict(X).shape, model.score(X, y) > 0.9
        ((40,), True)
    """

    task: ClassVar[Task] = regress.TASK

    cost: str = "mean-squared"

    def fit(self, X: Any, y: Sequence[Any], *, reporter: Reporter | None = None) -> Self:
        """Train on sequences and their targets.

        Args:
            X: A list of texts; an array ``(N, T, F)`` or ``(N, T)``; or a list of arrays
                ``(T_i, F)`` of any lengths.
            y: One number for each.
            reporter: Receives training progress; see `engram.Reporter`.

        Raises:
            ConfigError: For invalid parameters; the message names all of them.
            DataError: For data that cannot be read, targets that are all equal, or a different
                number of targets.
        """
        settings = self._settings()
        inputs, targets = sequences_of(X), numbers(answers_of(y, "y", _TARGETS), "y", _TARGETS)
        missing = np.flatnonzero(np.isnan(targets))
        if len(missing):
            raise DataError(f"y[{missing[0]}] is nan (NaN); give finite numbers")
        require_as_many(inputs, targets, "sequences", "numbers")
        train, valid = split_examples(Examples(inputs, targets), settings.valid, settings.seed)
        data = regress.make_data(settings, (train, valid, None))
        return self._fit(settings, data, reporter=reporter, run_dir=self.run_dir)

    def predict(self, X: Any) -> np.ndarray:
        """Predict the number of each sequence, ``(N,)`` float64.

        Raises:
            DataError: For data that cannot be read, or a different number of values per step than
                in training.
        """
        trained = self._trained()
        examples = Examples(sequences_of(X))
        self._require_width(examples.inputs)
        return regress.numbers_of(trained, trained.preprocess.part(examples))
