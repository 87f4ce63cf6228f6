"""Captioner: fit on images, classes or vectors and what is written about each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator

from engram.data.images.captions import Captions, fitted_image, load_image
from engram.errors import DataError
from engram.estimators.fitting import fit, loaded, trained_of, values_of
from engram.estimators.translator import texts_of
from engram.tasks import caption as task
from engram.tasks import captions, fitting
from engram.tasks.writing import AskingSettings, bleu
from engram.training.reporting import Reporter


class Captioner(BaseEstimator):
    """A model that writes about an image, a class or a vector, with scikit-learn's manners.

    Args:
        about: What X holds: ``"images"``, ``"classes"``, ``"numbers"``; or ``"auto"``: images where
            an array has three axes or four or paths end as images do, numbers where it has two,
            and classes for other texts.
        height, width, grey: Of images, which are brought to this size, with or without colours.
        tokens: ``"characters"``, ``"bytes"``, ``"words"`` or ``"bpe"``.
        vocabulary: Most entries of words or bpe.
        cell, hidden, layers, embedding, dropout, forget_bias, attention, filters, features: The
            model; see `CaptionerSettings`. Without images there is nothing to attend to.
        beam, length_penalty: How outputs are found; see `DecodingSettings`.
        epochs, batch, optimizer, rate, schedule, warmup, clip_norm, weight_decay, patience,
            scheduled_sampling, label_smoothing: The training; see `TrainingSettings`.
        valid: Share of the examples, drawn by the seed, that chooses the best weights; 0 keeps the
            last ones.
        random_state: Seed of everything random.
        run_dir: Where the training is recorded; None writes nothing to disk.

    Attributes:
        module_: The torch module; see `engram.models.captioner.Captioner`.
        preprocess_: Vocabulary, shape of images, classes or scaling.
        settings_: All settings of the training.
        valid_loss_: Nats a token on the validation part, or None without one.
        n_iter_: Updates of the weights in training; ``n_updates_`` is the same.
    """

    def __init__(
        self,
        *,
        about: str = "auto",
        height: int = 32,
        width: int = 32,
        grey: bool = False,
        tokens: str = "words",
        vocabulary: int = 10_000,
        cell: str = "lstm",
        hidden: int = 128,
        layers: int = 1,
        embedding: int = 64,
        dropout: float = 0.0,
        forget_bias: float | None = 1.0,
        attention: str = "general",
        filters: Sequence[int] = (16, 32, 64),
        features: int = 128,
        beam: int = 1,
        length_penalty: float = 1.0,
        epochs: int = 10,
        batch: int = 64,
        optimizer: str = "adamw",
        rate: float = 3e-3,
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
        self.about = about
        self.height = height
        self.width = width
        self.grey = grey
        self.tokens = tokens
        self.vocabulary = vocabulary
        self.cell = cell
        self.hidden = hidden
        self.layers = layers
        self.embedding = embedding
        self.dropout = dropout
        self.forget_bias = forget_bias
        self.attention = attention
        self.filters = filters
        self.features = features
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

    def fit(self, X: Any, y: Sequence[str], *, reporter: Reporter | None = None) -> Self:
        """Train on what captions are about, and the captions.

        Args:
            X: Images ``(N, Y, X, C)`` or ``(N, Y, X)``, whole numbers from 0 to 255 or others from
                0 to 1, or paths of image files; names of classes ``(N,)``; or numbers ``(N, F)``.
            y: A caption of each.
            reporter: Who is told how the training goes; see `engram.Reporter`.

        Raises:
            ConfigError: For parameters that cannot work, all of them named.
            DataError: For what cannot be read, or not as many captions.
        """
        about = self._about(X)
        values = values_of(self) | {"about": about, "filters": list(self.filters), "test": 0.0}
        if about != "images":
            values["attention"] = "none"
        settings = captions.CaptionSettings.checked(values, "Captioner")
        texts = texts_of(y, "y")
        given = self._given(X, about)
        if len(given) != len(texts):
            raise DataError(
                f"X has {len(given)} examples and y {len(texts)} captions; give as many"
            )
        whole = Captions(given, [[text.strip()] for text in texts])
        data = captions.make_data(settings, captions.split(settings, whole))
        fit(self, task.TASK, settings, data, reporter=reporter, run_dir=self.run_dir)
        self.n_updates_ = self.n_iter_
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Write captions.

        Returns:
            A caption for each, ``(n,)`` of str objects.
        """
        return np.array([row["caption"] for row in self._rows(X)], dtype=object)

    def look(self, X: Any) -> list[dict[str, Any]]:
        """Write captions, and tell where the model looked.

        Returns:
            For each ``caption``, ``log_probability``, the ``written`` tokens, and for each of them
            a grid of ``attention``, weights on the places of the image.
        """
        return self._rows(X, AskingSettings(attention=True))

    def score(self, X: Any, y: Sequence[str]) -> float:
        """The share of captions that come out exactly right."""
        right = texts_of(y, "y")
        found = self.predict(X)
        if len(found) != len(right):
            raise DataError(
                f"X has {len(found)} examples and y {len(right)} captions; give as many"
            )
        return float(np.mean([one == other for one, other in zip(found, right, strict=True)]))

    def bleu(self, X: Any, y: Sequence[str]) -> float:
        """BLEU of all captions together, 0 to 100; see `engram.tasks.writing.bleu`."""
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

    def _rows(self, X: Any, asking: AskingSettings | None = None) -> list[dict[str, Any]]:
        trained = trained_of(self, task.TASK)
        given = self._given(X, trained.preprocess.about)
        names = [str(place) for place in range(len(given))]
        return list(task.caption(trained, names, given, asking))

    def _about(self, X: Any) -> Literal["images", "classes", "numbers"]:
        """What X holds, as asked for or as it looks."""
        if self.about != "auto":
            return self.about  # type: ignore[return-value]  # settings check it
        if _has_paths(X):
            return "images"
        axes = np.ndim(X)
        return "images" if axes >= 3 else "numbers" if axes == 2 else "classes"

    def _given(self, X: Any, about: str) -> np.ndarray | list[str]:
        if about == "classes":
            return [str(name) for name in X]
        if about == "numbers":
            return _vectors(X)
        size, channels = (self.height, self.width), 1 if self.grey else 3
        if _has_paths(X):
            return np.stack([load_image(path, size, channels) for path in X])
        return np.stack([fitted_image(image, size, channels) for image in _images(X)])


def _has_paths(X: Any) -> bool:
    """Whether X holds paths of image files."""
    from engram.data.images.pictures import SUFFIXES

    if isinstance(X, np.ndarray) or not isinstance(X, Sequence) or not len(X):
        return False
    first = X[0]
    return isinstance(first, Path) or (
        isinstance(first, str) and Path(first).suffix.lower() in SUFFIXES
    )


def _vectors(X: Any) -> np.ndarray:
    """``(N, F)`` float32, without gaps."""
    try:
        made = np.asarray(X, dtype=np.float32)
    except (TypeError, ValueError) as fault:
        raise DataError(f"X is {type(X).__name__} ({fault}); it takes numbers (N, F)") from None
    if made.ndim != 2 or 0 in made.shape:
        raise DataError(f"X has shape {made.shape}; it takes numbers (N, F)")
    if not np.isfinite(made).all():
        row, column = np.argwhere(~np.isfinite(made))[0].tolist()
        raise DataError(f"X[{row}, {column}] is {made[row, column]}; fill gaps in first")
    return made


def _images(X: Any) -> np.ndarray:
    """Images ``(N, Y, X, C)`` or ``(N, Y, X)`` as ``(N, C, Y, X)`` uint8."""
    made = np.asarray(X)
    if made.ndim == 3:
        made = made[..., None]
    if made.ndim != 4 or 0 in made.shape or made.shape[3] not in (1, 3):
        raise DataError(
            f"X has shape {np.shape(X)}; images are (N, Y, X, C) with 3 channels, or (N, Y, X) in "
            "grey"
        )
    whole = made.dtype.kind in "iu"
    highest = 255 if whole else 1
    if made.dtype.kind not in "iuf" or not ((made >= 0) & (made <= highest)).all():
        raise DataError(
            f"X holds {made.dtype} outside its range; pixels are whole numbers from 0 to 255, or "
            "others from 0 to 1"
        )
    pixels = made if whole else (made * 255.0).round()
    return pixels.astype(np.uint8).transpose(0, 3, 1, 2)
