"""What all estimators have: parameters as scikit-learn has them, a seed, a folder of their own."""

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
    """Base of all estimators: dataclasses whose fields are their parameters.

    Args:
        random_state: Where everything random comes from: a seed; a numpy RandomState, from which
            each fit draws one; or None for numpy's own.
        run_dir: Where the training is recorded; None writes nothing to disk.
    """

    random_state: RandomState = 0
    run_dir: str | Path | None = None

    def __new__(cls, *positional: Any, **parameters: Any) -> Self:
        """Refuse what is not a parameter before the constructor keeps the others as they are."""
        if positional:
            raise ConfigError(
                f"{cls.__name__} got {positional[0]!r} without a name; it takes keyword arguments "
                f"alone, such as {cls.__name__}(random_state=1)"
            )
        cls._require_known(parameters)
        return super().__new__(cls)

    def set_params(self, **parameters: Any) -> Self:
        """Change parameters, by name; what was fitted stays as it is until the next fit.

        Raises:
            ConfigError: For a name that is not a parameter, with the nearest one that is.
        """
        self._require_known(parameters)
        super().set_params(**parameters)
        return self

    @abstractmethod
    def save(self, path: str | Path) -> None:
        """Write the fitted model into a folder, as safetensors and JSON.

        Raises:
            NotFittedError: Before `fit`.
            RunError: Where it cannot be written.
        """

    @classmethod
    @abstractmethod
    def load(cls, path: str | Path) -> Self:
        """Read a folder that `save` or a training (``RUN/model``) wrote.

        Raises:
            RunError: Where it is missing, damaged, or of another estimator.
        """

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    def _require_fitted(self) -> None:
        """See that there is a model, and have it in evaluation mode."""
        check_is_fitted(self)
        self.module_.eval()

    def _draw_seed(self) -> int:
        """The seed of a fit, as ``random_state`` says."""
        given = self.random_state
        if given is None:
            given = np.random.mtrand._rand  # numpy's own, as in scikit-learn
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
