"""What estimators that generate texts share: predictions, scores and attention."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from engram.estimators.inputs import require_as_many, texts
from engram.estimators.task_estimator import TaskEstimator
from engram.tasks.writing import AskingSettings, bleu


@dataclass(kw_only=True, eq=False, repr=False)
class WritingEstimator(TaskEstimator):
    """Base class of the estimators that generate a text for each example."""

    vocabulary: int = 10_000
    hidden: int = 128
    embedding: int = 64
    forget_bias: float | None = 1.0
    attention: str = "general"
    beam: int = 1
    length_penalty: float = 1.0
    epochs: int = 10
    batch: int = 64
    warmup: int = 0
    scheduled_sampling: float = 0.0
    label_smoothing: float = 0.0
    valid: float = 0.05

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.string = True
        return tags

    def predict(self, X: Any) -> np.ndarray:
        """Generate a text for each example.

        Args:
            X: As in `fit`.

        Returns:
            ``(n,)`` of str objects.
        """
        written = [text for text, _ in self._rows(X, None)]
        return np.array(written, dtype=object)

    def look(self, X: Any) -> list[dict[str, Any]]:
        """Generate a text for each example, with attention weights.

        Args:
            X: As in `fit`.

        Returns:
            For each example its text (``translation`` or ``caption``), ``log_probability``, the
            ``written`` tokens, for texts the tokens ``read``, and ``attention``: for each written
            token, its weights on the tokens read or, as a grid, on the positions of the image.
        """
        return [row for _, row in self._rows(X, AskingSettings(attention=True))]

    def score(self, X: Any, y: Any) -> float:
        """Fraction of the texts that match exactly."""
        right, found = self._beside(X, y)
        return float(np.mean([one == other for one, other in zip(found, right, strict=True)]))

    def bleu(self, X: Any, y: Any) -> float:
        """BLEU of all texts together, 0 to 100; see `engram.tasks.writing.bleu`."""
        right, found = self._beside(X, y)
        return bleu(found, [[text] for text in right])

    @abstractmethod
    def _rows(self, X: Any, asking: AskingSettings | None) -> list[tuple[str, dict[str, Any]]]:
        """The generated text of each example, with its details."""

    def _beside(self, X: Any, y: Any) -> tuple[list[str], list[str]]:
        """The reference texts, and the generated ones."""
        self._require_fitted()
        right = texts(y, "y")
        found = list(self.predict(X))
        require_as_many(found, right, "examples", "texts")
        return right, found
