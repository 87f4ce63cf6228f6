"""The few kinds of fault that Engram reports, and the wording of near names."""

import difflib
from collections.abc import Iterable


class EngramError(Exception):
    """A fault in what was given to Engram; its text says what was given, accepted, and to do.

    Example:
        >>> import engram
        >>> try:
        ...     engram.LSTM(10, 0)
        ... except engram.EngramError as error:
        ...     print(type(error).__name__)
        ConfigError
    """


class ConfigError(EngramError, ValueError):
    """A setting, argument or shape that cannot work.

    Example:
        >>> import engram
        >>> try:
        ...     engram.cells.make_cell("lstn")
        ... except engram.ConfigError as error:
        ...     print(str(error).split("?")[0])
        cell 'lstn' is not known: did you mean 'lstm'
    """


class DataError(EngramError, ValueError):
    """A file or array whose content cannot be used.

    Example:
        >>> import engram
        >>> try:
        ...     engram.LanguageModel().fit([""])
        ... except engram.DataError:
        ...     print("an empty text cannot be learnt from")
        an empty text cannot be learnt from
    """


class RunError(EngramError):
    """A run folder or checkpoint that cannot be read, written or continued.

    Example:
        >>> import engram
        >>> try:
        ...     engram.LanguageModel.load("no/such/folder")
        ... except engram.RunError:
        ...     print("no model is there")
        no model is there
    """


class NumericsError(EngramError, ArithmeticError):
    """A loss, gradient or weight that is no longer finite, or a result that is wrong.

    Example:
        >>> import engram
        >>> issubclass(engram.NumericsError, ArithmeticError)
        True
    """


class EngramWarning(UserWarning):
    """Something that a person should know of a fit that goes on.

    Example:
        >>> import warnings
        >>> import engram
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore", engram.EngramWarning)
        ...     model = engram.LanguageModel(hidden=4, lanes=2, steps=5, epochs=1)
        ...     _ = model.fit("one two three " * 9)
    """


def did_you_mean(given: str, accepted: Iterable[str]) -> str:
    """Say which accepted names there are, the nearest one first.

    Returns:
        ``"did you mean 'lstm'? accepted: gru, lstm"``, or only the second half.
    """
    names = sorted(accepted)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"{hint}accepted: {', '.join(names)}"
