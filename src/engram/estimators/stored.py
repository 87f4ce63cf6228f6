"""What a saved estimator stores in ``config.json`` in addition to its model."""

from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import ConfigDict, Field

from engram.errors import ConfigError, DataError, RunError
from engram.settings import Settings
from engram.tasks.origin import NOT_TASKS, origin_of

KEY = "estimator"
"""Key of `Fitted` in ``config.json``."""

ESTIMATORS = {
    "caption": "Captioner",
    "classify": "SequenceClassifier",
    "forecast": "Forecaster",
    "language-model": "LanguageModel",
    "regress": "SequenceRegressor",
    "tag": "SequenceTagger",
    "translate": "Translator",
} | NOT_TASKS
"""The estimator of each task, and those with a model of their own."""


class Classes(Settings):
    """Labels, with their original type."""

    dtype: str = Field(pattern=r"^(bool|str|object|u?int\d{1,2}|float\d{2})$")
    values: list[bool | int | float | str]

    @classmethod
    def of(cls, labels: np.ndarray) -> Self:
        """Store labels ``(n,)``.

        Raises:
            DataError: For labels that are not text, numbers or bools.
        """
        values = labels.tolist()
        odd = next((each for each in values if type(each) not in (bool, int, float, str)), None)
        name = "str" if labels.dtype.kind == "U" else labels.dtype.name
        try:
            if odd is None:
                return cls.checked({"dtype": name, "values": values})
        except ConfigError:
            odd = values[0]
        kind = f"type {type(odd).__name__} (dtype {labels.dtype})"
        raise DataError(f"y contains labels of {kind}; it takes texts, whole numbers or bools")

    def array(self) -> np.ndarray:
        """The labels in their original type, ``(n,)``."""
        return np.array(self.values, dtype=self.dtype)


class Fitted(Settings):
    """The results of a fit, in addition to weights, preprocessing and settings."""

    model_config = ConfigDict(allow_inf_nan=True)

    n_iter: int | None = None
    valid_loss: float | None = None
    classes: Classes | None = None

    @classmethod
    def read(cls, config: dict[str, Any], folder: Any) -> Self:
        """Read it from the content of ``config.json``; a run's model folder does not have it.

        Raises:
            RunError: If it is damaged.
        """
        try:
            made = cls.checked(config.get(KEY, {}))
            if made.classes is not None:
                made.classes.array()
        except (ConfigError, TypeError, ValueError, OverflowError) as fault:
            said = " ".join(str(fault).split())[:200]
            raise RunError(f"{folder}/config.json is damaged ({said}); restore it") from None
        return made


def require_kind(name: str, config: dict[str, Any], folder: Path) -> None:
    """Check that a folder contains a model of the estimator that reads it.

    Args:
        name: Name of the estimator that reads it.
        config: Content of its ``config.json``.
        folder: The folder.

    Raises:
        RunError: If it contains something else; the message says what.
    """
    origin = origin_of(config)
    found = ESTIMATORS.get(origin)
    if found is None:
        raise RunError(
            f"{folder} contains a model of task '{origin}', which no estimator reads; use "
            "'engram predict' or 'engram sample'"
        )
    if found != name:
        raise RunError(
            f"{folder} contains a model of {found}, not of {name}; load it with engram.{found}.load"
        )
