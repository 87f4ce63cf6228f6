"""What sequence estimators share: text or series inputs, and class labels."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from engram.data.arrays.sequences import Sequences
from engram.data.labelled.encoding import ValueEncoding
from engram.errors import DataError, RunError
from engram.estimators.inputs import are_texts, arrays, in_order, numbers, texts
from engram.estimators.stored import Classes, Fitted
from engram.estimators.task_estimator import TaskEstimator
from engram.tasks.task import Trained

_SERIES = "(N, T, F) or (N, T), or a list of (T, F)"


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceEstimator(TaskEstimator):
    """Base class of the estimators that read whole sequences."""

    vocabulary: int = 20_000
    scaling: bool = True
    missing: str = "refuse"
    bidirectional: bool = True
    dropout_input: float = 0.0
    weight_drop: float = 0.0
    zoneout: float | Mapping[str, float] | None = None
    batch: int = 32
    valid: float = 0.1

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = self.missing != "refuse"
        return tags

    def _take(self, trained: Trained, fitted: Fitted) -> None:
        super()._take(trained, fitted)
        self.__dict__.pop("n_features_in_", None)
        if isinstance(trained.preprocess.encoding, ValueEncoding):
            self.n_features_in_ = len(trained.preprocess.encoding.columns)

    def _require_width(self, inputs: Any) -> None:
        """Check that series have the same number of values per step as in the fit."""
        fitted = getattr(self, "n_features_in_", None)
        if isinstance(inputs, Sequences) and fitted not in (None, inputs.width):
            raise DataError(  # the wording that scikit-learn's own checks look for
                f"X has {inputs.width} features, but {type(self).__name__} is expecting {fitted} "
                "features as input"
            )


@dataclass(kw_only=True, eq=False, repr=False)
class ManyToOneEstimator(SequenceEstimator):
    """Base class of the estimators with one output per sequence."""

    tokens: str = "words"
    lowercase: bool = False
    pooling: str = "last"
    embedding: int = 0
    convolution: int = 0
    kernel: int = 5
    dropout_head: float = 0.0


class HasClasses(ABC):
    """Mixin for estimators of labels: ``classes_``, in the labels' original type.

    A model stores its classes as text, which sorts differently.
    """

    def _take(self, trained: Trained, fitted: Fitted) -> None:
        super()._take(trained, fitted)  # type: ignore[misc]  # of the estimator it is mixed into
        names = self._class_names(trained)
        labels = np.array(names) if fitted.classes is None else fitted.classes.array()
        place = {str(label): number for number, label in enumerate(labels.tolist())}
        if place.keys() != set(names):
            raise RunError(
                f"the labels {', '.join(place)} are not those of the model, {', '.join(names)}; "
                "restore config.json"
            )
        self.classes_ = labels
        self._columns = np.array([place[name] for name in names])

    def _fitted(self) -> Fitted:
        kept: Fitted = super()._fitted()  # type: ignore[misc]
        return kept.model_copy(update={"classes": Classes.of(self.classes_)})

    @abstractmethod
    def _class_names(self, trained: Trained) -> list[str]:
        """The classes in the order of the model's outputs."""


def sequences_of(X: Any) -> list[str] | Sequences:
    """Read texts or sequences.

    Args:
        X: A list of texts; an array ``(N, T, F)``; one of ``(N, T)``, or a table, whose rows are
            sequences of single values; or a list of arrays ``(T_i, F)`` or ``(T_i,)``, of any
            lengths. NaN is missing.

    Raises:
        DataError: For anything else, and infinite values.
    """
    takes = f"a list of texts, or numbers {_SERIES}"
    given = in_order(X, "X", takes)
    if are_texts(given):
        return texts(given, "X")
    made = arrays(given, "X", takes, np.float32)
    if made is None:
        whole = numbers(given, "X", takes, np.float32)
        if whole.ndim not in (2, 3):
            raise DataError(
                f"X has shape {whole.shape}; it takes {_SERIES}. "
                "Reshape your data: use X.reshape(-1, 1) for sequences of one step, or "
                "X.reshape(1, -1) for one sequence"
            )
        if 0 in whole.shape:
            raise DataError(
                f"X has 0 {'feature' if whole.shape[0] else 'sample'}(s) (shape={whole.shape}) "
                "while a minimum of 1 is required."
            )
        made = list(whole)
    made = [array[:, None] if array.ndim == 1 else array for array in made]
    for place, array in enumerate(made):
        if array.ndim != 2 or array.shape[1] != made[0].shape[1]:
            raise DataError(
                f"X[{place}] has shape {array.shape}, and X[0] {made[0].shape}; each takes "
                "(T, F) with the same F"
            )
    return Sequences.of(made)


def answers_of(y: Any, name: str, takes: str) -> np.ndarray:
    """Read one target for each sequence or step, ``(N,)``.

    Args:
        y, name, takes: As in `in_order`.

    Raises:
        DataError: For anything else.
    """
    given = in_order(y, name, takes)
    if isinstance(given, Sequence):
        kinds = {isinstance(each, str): type(each).__name__ for each in given}
        if len(kinds) > 1:  # numpy would turn all of them into text
            raise DataError(f"{name} contains {kinds[True]} and {kinds[False]}; give one type")
    try:
        return column_or_1d(given, warn=True)
    except ValueError as fault:
        raise DataError(f"{fault}; {name} takes {takes}") from None


def classes_of(labels: np.ndarray) -> tuple[Classes, list[str]]:
    """Return the sorted classes, and the name of each label.

    Args:
        labels: ``(n,)``.

    Raises:
        DataError: For labels that cannot be sorted, or are not texts, numbers or bools.
    """
    try:
        check_classification_targets(labels)
        found, places = np.unique(labels, return_inverse=True)
    except (TypeError, ValueError) as fault:
        raise DataError(f"y cannot be used as labels: {fault}") from None
    names = [str(label) for label in found.tolist()]
    return Classes.of(found), [names[place] for place in places]
