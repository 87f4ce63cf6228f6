"""SequenceTagger: a tag for each step of sentences or series, with scikit-learn's manners."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from engram.data.arrays.sequences import Sequences
from engram.data.tagging.tagged import Lists, Tagged, split
from engram.errors import DataError
from engram.estimators.examples import inputs_of, takes_sequences
from engram.estimators.fitting import fit, trained_of, values_of
from engram.tasks import tag as task
from engram.tasks.spans import compare
from engram.training.reporting import Reporter


class SequenceTagger(BaseEstimator):
    """A recurrent model that gives each step a tag.

    Args:
        vocabulary, least: Words: most that have a vector of their own, and times that one has to
            be there for it.
        scaling: Values: bring each column to mean 0 and deviation 1.
        missing: What is done about NaN: ``"refuse"``, ``"impute"`` or ``"mask"``.
        cell, hidden, layers, bidirectional, embedding, dropout, dropout_input, dropout_embedding,
            weight_drop, zoneout, forget_bias: The model; see `TaggerSettings`.
        epochs, batch, optimizer, rate, schedule, clip_norm, weight_decay, label_smoothing,
            patience: The training; see `TrainingSettings`.
        valid: Share of the sequences, drawn by the seed, that chooses the best weights; 0 keeps the
            last ones.
        random_state: Seed of everything random.
        run_dir: Where the training is recorded; None writes nothing to disk.

    Attributes:
        classes_: The tags, sorted.
        n_features_in_: F, values of a step; not there for words.
        module_: The torch module; see `Tagger`.
        preprocess_: Encoding and tags.
        settings_: All settings of the training.
        valid_loss_: Nats a step on the validation part, or None without one.
        n_iter_: Updates of the weights in training.
    """

    def __init__(
        self,
        *,
        vocabulary: int = 50_000,
        least: int = 2,
        scaling: bool = True,
        missing: str = "refuse",
        cell: str = "lstm",
        hidden: int = 64,
        layers: int = 1,
        bidirectional: bool = True,
        embedding: int = 100,
        dropout: float = 0.0,
        dropout_input: float = 0.0,
        dropout_embedding: float = 0.0,
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
        self.vocabulary = vocabulary
        self.least = least
        self.scaling = scaling
        self.missing = missing
        self.cell = cell
        self.hidden = hidden
        self.layers = layers
        self.bidirectional = bidirectional
        self.embedding = embedding
        self.dropout = dropout
        self.dropout_input = dropout_input
        self.dropout_embedding = dropout_embedding
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

    def fit(self, X: Any, y: Sequence[Sequence[Any]], *, reporter: Reporter | None = None) -> Self:
        """Train on tagged sequences.

        Args:
            X: A list of sentences, each a list of words; an array ``(N, T, F)``; or a list of
                arrays ``(T_i, F)`` of any lengths.
            y: The tags of each, as many as it has steps, of any kind that sorts.
            reporter: Who is told how the training goes; see `engram.Reporter`.

        Raises:
            ConfigError: For parameters that cannot work, all of them named.
            DataError: For what cannot be read, one tag only, or not as many tags as steps.
        """
        settings = task.TagSettings.checked(self._values(), "SequenceTagger")
        inputs = _inputs(X)
        if len(y) != len(inputs):
            raise DataError(f"X has {len(inputs)} sequences and y {len(y)}; give as many")
        flat = np.concatenate([np.asarray(each).reshape(-1) for each in y])
        self.classes_, numbers = np.unique(flat, return_inverse=True)
        width = len(str(len(self.classes_)))  # names that sort as the tags do
        bounds = np.cumsum([len(each) for each in y])[:-1]
        names = ([f"{n:0{width}}" for n in each] for each in np.split(numbers, bounds))
        train, valid = split(Tagged(inputs, Lists.of(names)), settings.valid, settings.seed)
        data = task.make_data(settings, (train, valid, None))
        fit(self, task.TASK, settings, data, reporter=reporter, run_dir=self.run_dir)
        if isinstance(inputs, Sequences):
            self.n_features_in_ = inputs.width
        return self

    def predict(self, X: Any) -> list[np.ndarray]:
        """The likeliest tag of each step, ``(T_i,)`` for each sequence.

        Raises:
            DataError: For what cannot be read, or other inputs than in training.
        """
        trained = trained_of(self, task.TASK)
        tags = self.preprocess_.tags
        part = self.preprocess_.part(Tagged(_inputs(X)))
        known = self.classes_[[int(name) for name in tags]]
        return [known[best] for best, _ in task.answers(trained, part)]

    def score(self, X: Any, y: Sequence[Sequence[Any]]) -> float:
        """Share of the steps whose tag is right."""
        given = self.predict(X)
        wanted = [np.asarray(each).reshape(-1) for each in y]
        _check_lengths(given, wanted)
        return float(np.mean(np.concatenate(given) == np.concatenate(wanted)))

    def span_f1(self, X: Any, y: Sequence[Sequence[str]]) -> float:
        """F1 over the spans that tags such as ``B-PER I-PER O`` mark."""
        given = [list(each) for each in self.predict(X)]
        _check_lengths(given, y)
        return compare((list(each) for each in y), given)[0].f1

    def __sklearn_tags__(self) -> Any:
        tags = takes_sequences(super().__sklearn_tags__(), self.missing)
        tags.target_tags.required = True
        return tags

    def _values(self) -> dict[str, Any]:
        return values_of(self) | {"seed": self.random_state or 0}


def _inputs(X: Any) -> Lists | Sequences:
    """Sentences of words, or series."""
    if isinstance(X, list | tuple | np.ndarray) and len(X) and isinstance(X[0], str):
        raise DataError("X[0] is a text; cut it into words, such as X[0].split()")
    words = isinstance(X, list | tuple) and any(
        isinstance(each, list | tuple | np.ndarray) and len(each) and isinstance(each[0], str)
        for each in X
    )
    if not words:
        made = inputs_of(X)
        assert isinstance(made, Sequences)
        return made
    for place, each in enumerate(X):
        if isinstance(each, str) or not all(isinstance(word, str) for word in each):
            raise DataError(f"X[{place}] is no list of words; give each sentence as one")
    return Lists.of([str(word) for word in each] for each in X)


def _check_lengths(given: Sequence[Any], wanted: Sequence[Any]) -> None:
    if [len(each) for each in given] != [len(each) for each in wanted]:
        raise DataError("y has not as many sequences, or tags in one, as X has steps; give as many")
