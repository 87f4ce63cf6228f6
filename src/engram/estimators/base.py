"""What all estimators share: scikit-learn parameters, a seed, saving and loading."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from engram.errors import ConfigError, did_you_mean

RandomState = int | np.random.RandomState | None


@dataclass(kw_only=True, eq=False, repr=False)
class Estimator(ABC, BaseEstimator):
    """Base class of all estimators: dataclasses whose fields are their parameters.

    Args:
        random_state: Source of randomness: a seed; a numpy RandomState that each fit draws a seed
            from; or None for numpy's global one.
        run_dir: Folder in which to record the training; None writes nothing to disk.
    """

    random_state: RandomState = 0
    run_dir: str | Path | None = None

    def __new__(cls, *positional: Any, **parameters: Any) -> Self:
        """Reject unknown parameters before the constructor stores the others unchanged."""
        if positional:
            raise ConfigError(
                f"{cls.__name__} got {positional[0]!r} by position; it takes only keyword "
                f"arguments, such as {cls.__name__}(random_state=1)"
            )
        cls._require_known(parameters)
        return super().__new__(cls)

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name; the fitted model does not change until the next fit.

        Raises:
            ConfigError: For an unknown parameter; the message suggests the closest one.
        """
        self._require_known(parameters)
        super().set_params(**parameters)
        return self

    @abstractmethod
    def save(self, path: str | Path) -> None:
        """Save the fitted model to a folder, as safetensors and JSON.

        Raises:
            NotFittedError: Before `fit`.
            RunError: If it cannot be written.
        """

    @classmethod
    @abstractmethod
    def load(cls, path: str | Path) -> Self:
        """Load a model from a folder written by `save` or by training (``RUN/model``).

        Raises:
            RunError: If it is missing, damaged, or belongs to another estimator.
        """

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    def _require_fitted(self) -> None:
        """Check that there is a model, and put it in evaluation mode."""
        check_is_fitted(self)
        self.module_.eval()

    def _draw_seed(self) -> int:
        """The seed of a fit, according to ``random_state``."""
        given = self.random_state
        if given is None:
            given = np.random.mtrand._rand  # numpy's global one, as in scikit-learn
        if isinstance(given, np.random.RandomState):
            return int(given.randint(np.iinfo(np.int32).max))
        if isinstance(given, Integral) and 0 <= given < 1 << 62:
            return int(given)
        raise ConfigError(
            f"{type(self).__name__}: random_state is {given!r}; it takes a whole number from 0, a "
            "numpy.random.RandomState, or None"
        )

    @classmethod
    def _require_known(cls, names: Iterable[str]) -> None:
        accepted = cls._get_param_names()
        for name in names:
            if name not in accepted:
                raise ConfigError(
                    f"{cls.__name__} has no parameter '{name}': {did_you_mean(name, accepted)}"
                )
