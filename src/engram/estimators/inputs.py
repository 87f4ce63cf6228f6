"""Inputs: read or reject the arrays and lists that scikit-learn users pass."""

from collections.abc import Iterator, Mapping, Set, Sized
from typing import Any

import numpy as np

from engram.data.tables.frames import is_frame
from engram.errors import DataError


def in_order(values: Any, name: str, takes: str) -> Any:
    """Check that values are ordered and are not column names: a list, an array or a column.

    Args:
        values: The given values.
        name: Their name in messages.
        takes: What is accepted, for messages.

    Returns:
        The values; those of a table, a column or a tensor as an array.

    Raises:
        DataError: For anything else; the message says what was given, what is accepted, and what to
            do.
    """
    if values is None:  # the wording that scikit-learn's own checks look for
        what = "the target y" if name == "y" else name
        raise DataError(f"requires {name} to be passed, but {what} is None; it takes {takes}")
    advice = _advice(values, name)
    if advice is not None:
        raise DataError(f"{name} is {type(values).__name__}; it takes {takes}: {advice}")
    try:
        return np.asarray(values) if hasattr(values, "__array__") else values
    except (TypeError, ValueError, RuntimeError) as fault:
        raise DataError(f"{name} cannot be read as an array ({fault}); it takes {takes}") from None


def _advice(values: Any, name: str) -> str | None:
    """What to do about values that are not accepted, or None if they are."""
    if hasattr(values, "toarray"):
        return f"it is a sparse matrix, give {name}.toarray()"
    if isinstance(values, Mapping):
        return f"its keys are not data, give list({name}.values())"
    if isinstance(values, str | bytes):
        return f"put a single text in a list, [{name}]"
    if isinstance(values, Set):
        return "a set has no order, give a list"
    if isinstance(values, Iterator):
        return f"give list({name})"
    if isinstance(values, np.ma.MaskedArray):
        return f"its mask would be lost, give {name}.filled() with a value, such as NaN"
    listed = hasattr(values, "__len__") and hasattr(values, "__getitem__")
    if getattr(values, "ndim", 1) == 0 or not (listed or hasattr(values, "__array__")):
        return f"put a single value in a list, [{name}]"
    return None


def numbers(values: Any, name: str, takes: str, dtype: type = np.float64) -> np.ndarray:
    """Read an array of numbers, with NaN for missing values.

    Args:
        values, name, takes: As in `in_order`; a text or a date is not a number.
        dtype: Of the array.

    Raises:
        DataError: For anything else, and infinite values.
    """
    given = in_order(values, name, takes)
    try:
        array = np.asarray(given)
        if array.dtype.kind == "c":
            raise DataError(f"{name} contains complex numbers; Complex data not supported")
        texts = array.dtype.kind == "O" and any(isinstance(v, str | bytes) for v in array.flat)
        if texts or array.dtype.kind not in "biufO":
            what = "texts" if texts or array.dtype.kind in "SUT" else f"{array.dtype}"
            raise DataError(f"{name} contains {what}; it takes numbers: {takes}")
        with np.errstate(over="ignore"):
            made: np.ndarray = array.astype(dtype)
    except DataError:
        raise
    except (TypeError, ValueError, OverflowError, RuntimeError) as fault:
        kind = type(values).__name__
        raise DataError(f"{name} is {kind} ({fault}); it takes numbers: {takes}") from None
    if np.isinf(made).any():
        place = tuple(int(axis) for axis in np.argwhere(np.isinf(made))[0])
        most = f"at most {np.finfo(dtype).max:.2g}"
        raise DataError(f"{name}{list(place)} is {array[place]} (inf); give finite values, {most}")
    return made


def arrays(values: Any, name: str, takes: str, dtype: type = np.float64) -> list[np.ndarray] | None:
    """Read arrays of numbers from a list or an object array; None if it is neither.

    Args:
        values, name, takes, dtype: As in `numbers`.

    Raises:
        DataError: As in `numbers`.
    """
    given = listed(in_order(values, name, takes))
    if isinstance(given, np.ndarray) or not len(given) or not _has_axes(given[0]):
        return None
    return [numbers(each, f"{name}[{place}]", takes, dtype) for place, each in enumerate(given)]


def texts(values: Any, name: str) -> list[str]:
    """Read a list of texts.

    Args:
        values: A list, or a column of a table.
        name: Their name in messages.

    Raises:
        DataError: For a single text, anything else that is not a list of texts, and an empty list.
    """
    given = in_order(values, name, "a list of texts (str)")
    if not len(given):
        raise DataError(f"{name} contains no texts; give at least one")
    for place, text in enumerate(given):
        if not isinstance(text, str):
            what = f"{name}[{place}] is {type(text).__name__}"
            raise DataError(f"{what}; {name} takes a list of texts (str), or one column of a table")
    return [str(text) for text in given]


def listed(values: Any) -> Any:
    """Turn an object array ``(N,)`` into a list; return anything else as it is."""
    objects = isinstance(values, np.ndarray) and values.dtype == object and values.ndim == 1
    return list(values) if objects else values


def are_texts(values: Any) -> bool:
    """Whether ordered values are texts."""
    return len(values) > 0 and isinstance(values[0], str)


def require_as_many(X: Sized, y: Sized, what: str, answers: str) -> None:
    """Check that there is one target for each input.

    Args:
        X, y: Inputs and targets.
        what, answers: Their names in messages.

    Raises:
        DataError: If their numbers differ.
    """
    if len(X) != len(y):
        raise DataError(f"X has {len(X)} {what} and y {len(y)} {answers}; give the same number")


def _has_axes(value: Any) -> bool:
    """Whether a value is a list, an array or a table, and not a number or a text."""
    container = isinstance(value, list | tuple | Mapping | Set)
    return container or getattr(value, "ndim", 0) > 0 or is_frame(value)
