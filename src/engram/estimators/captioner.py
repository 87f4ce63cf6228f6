"""Captioner: describe images, classes or vectors in text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from engram.data.images.captions import Captions, fitted_image, load_image
from engram.data.images.pictures import SUFFIXES
from engram.errors import DataError
from engram.estimators.inputs import in_order, numbers, require_as_many, texts
from engram.estimators.writing_estimator import WritingEstimator
from engram.tasks import caption, captions
from engram.tasks.task import Task
from engram.tasks.writing import AskingSettings
from engram.training.reporting import Reporter

_TAKES = "images (N, Y, X, C) or (N, Y, X), paths of images, names of classes, or numbers (N, F)"


@dataclass(kw_only=True, eq=False, repr=False)
class Captioner(WritingEstimator):
    """A model that writes a text about an image, a class or a vector, with the scikit-learn API.

    Args:
        about: Type of X: ``"images"``, ``"classes"``, ``"numbers"``; or ``"auto"``: images for
            arrays with three or four axes and for paths with an image extension, numbers for
            arrays with two axes, and classes for other texts.
        height, width, grey: Images are resized to this size, and converted to grey or colour.
        tokens: ``"characters"``, ``"bytes"``, ``"words"`` or ``"bpe"``.
        vocabulary: Maximum number of entries for words or bpe.
        cell, hidden, layers, embedding, dropout, forget_bias, attention, filters, features: The
            model; see `CaptionerSettings`. Attention needs images.
            beam, length_penalty: Decoding; see `DecodingSettings`.
        epochs, batch, optimizer, rate, schedule, warmup, clip_norm, weight_decay, patience,
            scheduled_sampling, label_smoothing: The training; see `TrainingSettings`.
        valid: Fraction of the examples, drawn by the seed, held out to select the best weights; 0
            keeps the last ones.
        random_state: Seed of all randomness; a numpy RandomState that each fit draws a seed from;
            or None for numpy's global one.
        run_dir: Folder in which to record the training; None writes nothing to disk.

    Attributes:
        module_: The torch module, in evaluation mode; see `engram.models.captioner.Captioner`.
        preprocess_: Vocabulary, and image shape, classes or scaling.
        settings_: All training settings.
        seed_: The seed that was drawn.
        valid_loss_: Nats per token on the validation part, or None without one.
        n_iter_: Updates of the weights in training; ``n_updates_`` is the same.

    Example:
        >>> import engram
        >>> X, y = ["dog", "cat"] * 20, ["a dog barks", "a cat sleeps"] * 20
        >>> model = engram.Captioner(hidden=16, features=8, epochs=20, batch=8, valid=0).fit(X, y)
        >>> model.predict(["cat"]).tolist()
        ['a cat sleeps']
    """

    task: ClassVar[Task] = caption.TASK

    about: str = "auto"
    height: int = 32
    width: int = 32
    grey: bool = False
    tokens: str = "words"
    filters: Sequence[int] = (16, 32, 64)
    features: int = 128

    def fit(self, X: Any, y: Sequence[str], *, reporter: Reporter | None = None) -> Self:
        """Train on inputs and their captions.

        Args:
            X: Images ``(N, Y, X, C)`` or ``(N, Y, X)``, integers from 0 to 255 or floats from 0 to
                1, or paths of image files; names of classes ``(N,)``; or numbers ``(N, F)``.
            y: One caption for each.
            reporter: Receives training progress; see `engram.Reporter`.

        Raises:
            ConfigError: For invalid parameters; the message names all of them.
            DataError: For data that cannot be read, or a different number of captions.
        """
        about = self._about(in_order(X, "X", _TAKES))
        attention = {} if about == "images" else {"attention": "none"}
        settings = self._settings(about=about, **attention)
        written, given = texts(y, "y"), _given(X, settings)
        require_as_many(given, written, "examples", "captions")
        whole = Captions(given, [[text.strip()] for text in written])
        data = captions.make_data(settings, captions.split_captions(settings, whole))
        return self._fit(settings, data, reporter=reporter, run_dir=self.run_dir)

    def _rows(self, X: Any, asking: AskingSettings | None) -> list[tuple[str, dict[str, Any]]]:
        trained = self._trained()
        given = _given(X, trained.settings)
        names = [str(place) for place in range(len(given))]
        return [(row["caption"], row) for row in caption.caption(trained, names, given, asking)]

    def _about(self, X: Any) -> Literal["images", "classes", "numbers"]:
        """The type of X, as requested or inferred."""
        if self.about != "auto":
            return self.about  # type: ignore[return-value]  # settings check it
        if _has_paths(X):
            return "images"
        try:
            axes = np.ndim(X)
        except ValueError:
            raise DataError(f"X contains lists of different lengths; it takes {_TAKES}") from None
        return "images" if axes >= 3 else "numbers" if axes == 2 else "classes"


def _given(X: Any, settings: Any) -> np.ndarray | list[str]:
    """Read X according to its type in the settings."""
    values = in_order(X, "X", _TAKES)
    if settings.about == "classes":
        return _names(values)
    if settings.about == "numbers":
        return _vectors(values)
    size, channels = (settings.height, settings.width), 1 if settings.grey else 3
    if _has_paths(values):
        return np.stack([load_image(path, size, channels) for path in values])
    return np.stack([fitted_image(image, size, channels) for image in _images(values)])


def _has_paths(X: Any) -> bool:
    """Whether X contains paths of image files."""
    if not len(X) or getattr(X, "ndim", 1) != 1:
        return False
    return isinstance(X[0], Path) or (
        isinstance(X[0], str) and Path(X[0]).suffix.lower() in SUFFIXES
    )


def _names(X: Any) -> list[str]:
    """Names of classes."""
    for place, name in enumerate(X):
        if not isinstance(name, str | int | np.integer):
            raise DataError(f"X[{place}] is {type(name).__name__}; it takes {_TAKES}")
    return [str(name) for name in X]


def _vectors(X: Any) -> np.ndarray:
    """``(N, F)`` float32, without missing values."""
    made = numbers(X, "X", "(N, F)", np.float32)
    if made.ndim != 2 or 0 in made.shape:
        raise DataError(f"X has shape {made.shape}; it takes numbers (N, F)")
    if np.isnan(made).any():
        row, column = np.argwhere(np.isnan(made))[0].tolist()
        raise DataError(f"X[{row}, {column}] is nan; fill in missing values first")
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
            f"X contains {made.dtype} values out of range; pixels are integers from 0 to 255, or "
            "floats from 0 to 1"
        )
    pixels = made if whole else (made * 255.0).round()
    return pixels.astype(np.uint8).transpose(0, 3, 1, 2)
