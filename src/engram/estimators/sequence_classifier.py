"""SequenceClassifier: a label for each text or series, with scikit-learn's manners."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from engram.data.arrays.sequences import Sequences
from engram.data.labelled.examples import Examples, split
from engram.errors import DataError
from engram.estimators.examples import examples_for, examples_of, takes_sequences
from engram.estimators.fitting import fit, trained_of, values_of
from engram.tasks import classify as task
from engram.training.reporting import Reporter


class SequenceClassifier(ClassifierMixin, BaseEstimator):
    """A recurrent classifier of whole sequences.

    Args:
        tokens, vocabulary, lowercase: Texts: what the model reads one at a time; see
            `EncodingSettings`.
        scaling: Values: bring each column to mean 0 and deviation 1.
        missing: What is done about NaN: ``"refuse"``, ``"impute"`` or ``"mask"``.
        cell, hidden, layers, bidirectional, pooling, embedding, convolution, kernel, dropout,
            dropout_input, dropout_head, weight_drop, zoneout, forget_bias: The model; see
            `ManyToOneSettings`.
        epochs, batch, optimizer, rate, schedule, clip_norm, weight_decay, label_smoothing,
            patience: The training; see `TrainingSettings`.
        valid: Share of the examples, drawn by the seed, that chooses the best weights; 0 keeps the
            last ones.
        random_state: Seed of everything random.
        run_dir: Where the training is recorded; None writes nothing to disk.

    Attributes:
        classes_: The labels, sorted.
        n_features_in_: F, values of a step; not there for texts.
        module_: The torch module; see `ManyToOne`.
        preprocess_: Encoding and labels.
        settings_: All settings of the training.
        valid_loss_: Nats an example on the validation part, or None without one.
        n_iter_: Updates of the weights in training.
    """

    def __init__(
        self,
        *,
        tokens: str = "words",
        vocabulary: int = 20_000,
        lowercase: bool = False,
        scaling: bool = True,
        missing: str = "refuse",
        cell: str = "lstm",
        hidden: int = 64,
        layers: int = 1,
        bidirectional: bool = True,
        pooling: str = "last",
        embedding: int = 0,
        convolution: int = 0,
        kernel: int = 5,
        dropout: float = 0.0,
        dropout_input: float = 0.0,
        dropout_head: float = 0.0,
        weight_drop: float = 0.0,
        zoneout: float | Mapping[str, float] | None = None,
        forget_bias: float | None = None,
        epochs: int = 20,
        batch: int = 32,
        optimizer: str = "adamw",
        rate: float = 3e-3,
        schedule: str = "cosine",
        clip_norm: float | None = 1.0,
        weight_decay: float = 0.0,
        label_smoothing: float = 0.0,
        patience: int | None = None,
        valid: float = 0.1,
        random_state: int = 0,
        run_dir: str | Path | None = None,
    ) -> None:
        self.tokens = tokens
        self.vocabulary = vocabulary
        self.lowercase = lowercase
        self.scaling = scaling
        self.missing = missing
        self.cell = cell
        self.hidden = hidden
        self.layers = layers
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.embedding = embedding
        self.convolution = convolution
        self.kernel = kernel
        self.dropout = dropout
        self.dropout_input = dropout_input
        self.dropout_head = dropout_head
        self.weight_drop = weight_drop
        self.zoneout = zoneout
        self.forget_bias = forget_bias
        self.epochs = epochs
        self.batch = batch
        self.optimizer = optimizer
        self.rate = rate
        self.schedule = schedule
        self.clip_norm = clip_norm
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.patience = patience
        self.valid = valid
        self.random_state = random_state
        self.run_dir = run_dir

    def fit(self, X: Any, y: Sequence[Any], *, reporter: Reporter | None = None) -> Self:
        """Train on labelled sequences.

        Args:
            X: A list of texts; an array ``(N, T, F)`` or ``(N, T)``; or a list of arrays
                ``(T_i, F)`` of any lengths.
            y: A label for each, of any kind that sorts.
            reporter: Who is told how the training goes; see `engram.Reporter`.

        Raises:
            ConfigError: For parameters that cannot work, all of them named.
            DataError: For what cannot be read, one class only, or not as many labels.
        """
        settings = task.ClassifySettings.checked(self._values(), "SequenceClassifier")
        if y is None:
            raise DataError("SequenceClassifier requires y to be passed, but the target y is None")
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        given = examples_of(X)
        if len(given) != len(labels):
            raise DataError(
                f"X has {len(given)} sequences and y {len(labels)} labels; give as many"
            )
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        width = len(str(len(self.classes_)))  # names that sort as the labels do
        names = [f"{number:0{width}}" for number in numbers]
        train, valid = split(Examples(given.inputs, names), settings.valid, settings.seed)
        data = task.make_data(settings, (train, valid if len(valid) else None, None))
        fit(self, task.TASK, settings, data, reporter=reporter, run_dir=self.run_dir)
        if isinstance(given.inputs, Sequences):
            self.n_features_in_ = given.inputs.width
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of every class, ``(N, classes)`` float64.

        Raises:
            DataError: For what cannot be read, or other values a step than in training.
        """
        trained = trained_of(self, task.TASK)
        return task.probabilities(trained, examples_for(self, X))

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest label of each sequence, ``(N,)``."""
        check_is_fitted(self, "module_")
        return self.classes_[self.predict_proba(X).argmax(1)]

    def __sklearn_tags__(self) -> Any:
        return takes_sequences(super().__sklearn_tags__(), self.missing)

    def _values(self) -> dict[str, Any]:
        return values_of(self) | {"seed": self.random_state or 0}
