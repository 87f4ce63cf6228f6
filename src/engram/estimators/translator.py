"""Translator: fit on pairs of texts, translate texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from engram.data.labelled.pairs import Pairs
from engram.errors import ConfigError, DataError
from engram.estimators.fitting import fit, loaded, trained_of, values_of
from engram.tasks import fitting, pairs
from engram.tasks import translate as task
from engram.tasks.writing import AskingSettings, bleu
from engram.training.reporting import Reporter


class Translator(BaseEstimator):
    """A model that writes a text for a text, with scikit-learn's manners.

    Args:
        tokens: ``"characters"``, ``"bytes"``, ``"words"`` or ``"bpe"``.
        vocabulary: Most entries of words or bpe, of each side.
        cell, hidden, layers, embedding, dropout, forget_bias, attention, attend, input_feeding,
            bidirectional: The model; see `EncoderDecoderSettings`.
        beam, length_penalty: How outputs are found; see `DecodingSettings`.
        epochs, batch, optimizer, rate, schedule, warmup, clip_norm, weight_decay, patience,
            scheduled_sampling, label_smoothing: The training; see `TrainingSettings`.
        valid: Share of the pairs, drawn by the seed, that chooses the best weights; 0 keeps the
            last ones.
        random_state: Seed of everything random.
        run_dir: Where the training is recorded; None writes nothing to disk.

    Attributes:
        module_: The torch module; see `EncoderDecoder`.
        preprocess_: Vocabularies.
        settings_: All settings of the training.
        valid_loss_: Nats a token on the validation part, or None without one.
        n_iter_: Updates of the weights in training; ``n_updates_`` is the same.
    """

    def __init__(
        self,
        *,
        tokens: str = "characters",
        vocabulary: int = 10_000,
        cell: str = "lstm",
        hidden: int = 128,
        layers: int = 1,
        embedding: int = 64,
        dropout: float = 0.0,
        forget_bias: float | None = 1.0,
        attention: str = "general",
        attend: str = "after",
        input_feeding: bool = False,
        bidirectional: bool = True,
        beam: int = 1,
        length_penalty: float = 1.0,
        epochs: int = 10,
        batch: int = 64,
        optimizer: str = "adamw",
        rate: float = 4e-3,
        schedule: str = "cosine",
        warmup: int = 0,
        clip_norm: float | None = 1.0,
        weight_decay: float = 0.0,
        patience: int | None = None,
        scheduled_sampling: float = 0.0,
        label_smoothing: float = 0.0,
        valid: float = 0.05,
        random_state: int = 0,
        run_dir: str | Path | None = None,
    ) -> None:
        self.tokens = tokens
        self.vocabulary = vocabulary
        self.cell = cell
        self.hidden = hidden
        self.layers = layers
        self.embedding = embedding
        self.dropout = dropout
        self.forget_bias = forget_bias
        self.attention = attention
        self.attend = attend
        self.input_feeding = input_feeding
        self.bidirectional = bidirectional
        self.beam = beam
        self.length_penalty = length_penalty
        self.epochs = epochs
        self.batch = batch
        self.optimizer = optimizer
        self.rate = rate
        self.schedule = schedule
        self.warmup = warmup
        self.clip_norm = clip_norm
        self.weight_decay = weight_decay
        self.patience = patience
        self.scheduled_sampling = scheduled_sampling
        self.label_smoothing = label_smoothing
        self.valid = valid
        self.random_state = random_state
        self.run_dir = run_dir

    def fit(self, X: Sequence[str], y: Sequence[str], *, reporter: Reporter | None = None) -> Self:
        """Train on pairs.

        Args:
            X: Texts.
            y: What each becomes, as many.
            reporter: Who is told how the training goes; see `engram.Reporter`.

        Raises:
            ConfigError: For parameters that cannot work, all of them named.
            DataError: For what are no texts, or not as many.
        """
        settings = pairs.TranslateSettings.checked(self._values(), "Translator")
        sources, targets = texts_of(X, "X"), texts_of(y, "y")
        if len(sources) != len(targets):
            raise DataError(f"X has {len(sources)} texts and y {len(targets)}; give as many")
        whole = Pairs(sources, targets)
        data = pairs.make_data(settings, pairs.split(settings, whole))
        fit(self, task.TASK, settings, data, reporter=reporter, run_dir=self.run_dir)
        self.n_updates_ = self.n_iter_
        return self

    def predict(self, X: Sequence[str]) -> np.ndarray:
        """Translate texts.

        Returns:
            A text for each, ``(n,)`` of str objects.
        """
        return np.array([row["translation"] for row in self._rows(X)], dtype=object)

    def look(self, X: Sequence[str]) -> list[dict[str, Any]]:
        """Translate texts, and tell where the model looked.

        Returns:
            For each text ``translation``, ``log_probability``, the tokens ``read`` and ``written``,
            and ``attention``: for each that was written a row of weights on those that were read.
        """
        return self._rows(X, AskingSettings(attention=True))

    def score(self, X: Sequence[str], y: Sequence[str]) -> float:
        """The share of texts that come out exactly right."""
        right = texts_of(y, "y")
        found = self.predict(X)
        if len(found) != len(right):
            raise DataError(f"X has {len(found)} texts and y {len(right)}; give as many")
        return float(np.mean([one == other for one, other in zip(found, right, strict=True)]))

    def bleu(self, X: Sequence[str], y: Sequence[str]) -> float:
        """BLEU of all texts together, 0 to 100; see `engram.tasks.writing.bleu`."""
        return bleu(list(self.predict(X)), [[text] for text in texts_of(y, "y")])

    def save(self, path: str | Path) -> None:
        """Write the fitted model into a folder, as a run's ``model/``.

        Raises:
            RunError: Where it cannot be written.
        """
        fitting.save(Path(path), trained_of(self, task.TASK))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a folder that `save` or a training (``RUN/model``) wrote.

        Raises:
            RunError: Where it is missing or damaged.
        """
        return loaded(cls, task.TASK, path)

    def _rows(self, X: Sequence[str], asking: AskingSettings | None = None) -> list[dict[str, Any]]:
        return list(task.translate(trained_of(self, task.TASK), texts_of(X, "X"), asking))

    def _values(self) -> dict[str, Any]:
        return values_of(self) | {"data": ["X", "y"], "test": 0.0}


def texts_of(values: Any, name: str) -> list[str]:
    """A list of texts.

    Args:
        values: A sequence of str.
        name: What they are called in a message.

    Raises:
        ConfigError: For one text in place of several, or no sequence.
        DataError: For what is no text, or nothing at all.
    """
    if isinstance(values, str):
        raise ConfigError(f"{name} is one text; it takes a sequence of texts, such as a list")
    try:
        texts = list(values)
    except TypeError:
        raise ConfigError(
            f"{name} is {type(values).__name__}; it takes a sequence of texts"
        ) from None
    if not texts:
        raise DataError(f"{name} holds no texts; give at least one")
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"{name}[{place}] is {type(text).__name__}; each entry is a text (str)")
    return [str(text) for text in texts]
