"""Examples from what scikit-learn people hold: lists of texts, arrays, and lists of arrays."""

from typing import Any

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.labelled.examples import Examples
from engram.errors import DataError


def inputs_of(X: Any) -> list[str] | Sequences:
    """Texts or sequences.

    Args:
        X: A list of texts; an array ``(N, T, F)``; one of ``(N, T)``, or a table, whose rows are
            sequences of single values; or a list of arrays ``(T_i, F)`` or ``(T_i,)``, of any
            lengths. NaN is missing.

    Raises:
        DataError: For anything else, and infinite values.
    """
    if isinstance(X, str):
        raise DataError("X is one text; it takes a list of texts")
    if hasattr(X, "toarray"):
        raise DataError("X is a sparse matrix; dense arrays are taken: use X.toarray()")
    if isinstance(X, list | tuple | np.ndarray) and len(X) and isinstance(X[0], str):
        for place, text in enumerate(X):
            if not isinstance(text, str):
                raise DataError(f"X[{place}] is {type(text).__name__}; each entry is a text")
        return [str(text) for text in X]
    if isinstance(X, list | tuple) and len(X) and np.ndim(X[0]) > 0:
        arrays = [_array(each, f"X[{place}]") for place, each in enumerate(X)]
    else:
        whole = _array(X, "X")
        if whole.ndim not in (2, 3):
            raise DataError(
                f"X has shape {whole.shape}; it takes (N, T, F) or (N, T), or a list of arrays. "
                "Reshape your data: use X.reshape(-1, 1) for sequences of one step, or "
                "X.reshape(1, -1) for one sequence"
            )
        if 0 in whole.shape:
            raise DataError(
                f"X has 0 {'feature' if whole.shape[0] else 'sample'}(s) (shape={whole.shape}) "
                "while a minimum of 1 is required."
            )
        arrays = list(whole)
    arrays = [array[:, None] if array.ndim == 1 else array for array in arrays]
    for place, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[1] != arrays[0].shape[1]:
            raise DataError(
                f"X[{place}] has shape {array.shape}, and X[0] {arrays[0].shape}; each takes "
                "(T, F) with the same F"
            )
    return Sequences.of(arrays)


def examples_of(X: Any, y: Any = None) -> Examples:
    """Inputs with their targets.

    Args:
        X: As in `inputs_of`.
        y: ``(N,)``: numbers in an array of floats, or labels as texts.
    """
    return Examples(inputs_of(X), y)


def _array(values: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(values)
        if np.iscomplexobj(array):
            raise DataError(f"{name} holds complex data; Complex data not supported")
        array = array.astype(np.float32)
    except (TypeError, ValueError) as fault:
        raise DataError(f"{name} is {type(values).__name__} ({fault}); it takes numbers") from None
    if np.isinf(array).any():
        place = tuple(int(axis) for axis in np.argwhere(np.isinf(array))[0])
        raise DataError(f"{name}{list(place)} is infinity (inf); give finite values")
    return array


def takes_sequences(tags: Any, missing: str) -> Any:
    """The tags of an estimator, with what it takes said in them.

    Args:
        tags: Of its base classes.
        missing: What it does about NaN.
    """
    tags.input_tags.three_d_array = True
    tags.input_tags.string = True
    tags.input_tags.allow_nan = missing != "refuse"
    return tags


def examples_for(estimator: Any, X: Any) -> Examples:
    """Examples without answers for a fitted estimator.

    Raises:
        DataError: For what cannot be read, or other values a step than in training.
    """
    examples = examples_of(X)
    found = getattr(examples.inputs, "width", None)
    fitted = getattr(estimator, "n_features_in_", found)
    if found is not None and found != fitted:
        raise DataError(  # in the words that scikit-learn's own checks look for
            f"X has {found} features, but {type(estimator).__name__} is expecting {fitted} "
            "features as input"
        )
    return examples
