"""Inputs: arrays and lists, as scikit-learn people have them, read as what they are or refused."""

from collections.abc import Iterator, Mapping, Set, Sized
from typing import Any

import numpy as np

from engram.data.tables.frames import is_frame
from engram.errors import DataError


def in_order(values: Any, name: str, takes: str) -> Any:
    """See that values have an order and are no names of columns: a list, an array or a column.

    Args:
        values: What was given.
        name: What it is called in a message.
        takes: What is accepted.

    Returns:
        The values; those of a table or column in memory, or of a tensor, as an array.

    Raises:
        DataError: For anything else: what was given, what is accepted, and what to do.
    """
    if values is None:  # in the words that scikit-learn's own checks look for
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
    """What to do about values that cannot be taken, or None where they can."""
    if hasattr(values, "toarray"):
        return f"it is a sparse matrix, give {name}.toarray()"
    if isinstance(values, Mapping):
        return f"its keys are not data, give list({name}.values())"
    if isinstance(values, str | bytes):
        return f"put a single text into a list, [{name}]"
    if isinstance(values, Set):
        return "a set has no order, give a list"
    if isinstance(values, Iterator):
        return f"give list({name})"
    if isinstance(values, np.ma.MaskedArray):
        return f"its mask would be lost, give {name}.filled() with a value, such as NaN"
    listed = hasattr(values, "__len__") and hasattr(values, "__getitem__")
    if getattr(values, "ndim", 1) == 0 or not (listed or hasattr(values, "__array__")):
        return f"put a single value into a list, [{name}]"
    return None


def numbers(values: Any, name: str, takes: str, dtype: type = np.float64) -> np.ndarray:
    """An array of numbers, which may be NaN where values are missing.

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
            raise DataError(f"{name} holds complex numbers; Complex data not supported")
        texts = array.dtype.kind == "O" and any(isinstance(v, str | bytes) for v in array.flat)
        if texts or array.dtype.kind not in "biufO":
            what = "texts" if texts or array.dtype.kind in "SUT" else f"{array.dtype}"
            raise DataError(f"{name} holds {what}; it takes numbers: {takes}")
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
    """Arrays of numbers from a list of them, or from an array of objects; None where it is neither.

    Args:
        values, name, takes, dtype: As in `numbers`.

    Raises:
        DataError: As `numbers`.
    """
    given = listed(in_order(values, name, takes))
    if isinstance(given, np.ndarray) or not len(given) or not _has_axes(given[0]):
        return None
    return [numbers(each, f"{name}[{place}]", takes, dtype) for place, each in enumerate(given)]


def texts(values: Any, name: str) -> list[str]:
    """A list of texts.

    Args:
        values: A list, or a column of a table.
        name: What they are called in a message.

    Raises:
        DataError: For one text in place of several, anything else, and nothing at all.
    """
    given = in_order(values, name, "a list of texts (str)")
    if not len(given):
        raise DataError(f"{name} holds no texts; give at least one")
    for place, text in enumerate(given):
        if not isinstance(text, str):
            what = f"{name}[{place}] is {type(text).__name__}"
            raise DataError(f"{what}; {name} takes a list of texts (str), or one column of a table")
    return [str(text) for text in given]


def listed(values: Any) -> Any:
    """A list in place of an array of objects ``(N,)``; anything else as it is."""
    objects = isinstance(values, np.ndarray) and values.dtype == object and values.ndim == 1
    return list(values) if objects else values


def are_texts(values: Any) -> bool:
    """Whether something that has an order holds texts."""
    return len(values) > 0 and isinstance(values[0], str)


def require_as_many(X: Sized, y: Sized, what: str, answers: str) -> None:
    """See that there is an answer for each input.

    Args:
        X, y: Inputs and answers.
        what, answers: What they are called in a message.

    Raises:
        DataError: Where there is not.
    """
    if len(X) != len(y):
        raise DataError(f"X has {len(X)} {what} and y {len(y)} {answers}; give as many")


def _has_axes(value: Any) -> bool:
    """Whether a value is a list, an array or a table, and not a number or a text."""
    container = isinstance(value, list | tuple | Mapping | Set)
    return container or getattr(value, "ndim", 0) > 0 or is_frame(value)
