"""Translator: fit on pairs of texts, translate texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from engram.data.labelled.pairs import Pairs
from engram.estimators.inputs import require_as_many, texts
from engram.estimators.writing_estimator import WritingEstimator
from engram.tasks import pairs, translate
from engram.tasks.task import Task
from engram.tasks.writing import AskingSettings
from engram.training.reporting import Reporter


@dataclass(kw_only=True, eq=False, repr=False)
class Translator(WritingEstimator):
    """A model that writes a text for a text, with scikit-learn's manners.

    Args:
        tokens: ``"characters"``, ``"bytes"``, ``"words"`` or ``"bpe"``.
        vocabulary: Most entries of words or bpe, of each side.
        cell, hidden, layers, embedding, dropout, forget_bias, attention, attend, input_feeding,
            bidirectional: The model; see `EncoderDecoderSettings`.
        beam, length_penalty: How outputs are found; see `DecodingSettings`.
        epochs, batch, optimizer, rate, schedule, warmup, clip_norm, weight_decay, patience,
            scheduled_sampling, label_smoothing: The training; see `TrainingSettings`.
        valid: Fraction of the pairs, drawn by the seed, that chooses the best weights; 0 keeps the
            last ones.
        random_state: Seed of everything random; a numpy RandomState, from which each fit draws one;
            or None for numpy's own.
        run_dir: Where the training is recorded; None writes nothing to disk.

    Attributes:
        module_: The torch module, in evaluation mode; see `EncoderDecoder`.
        preprocess_: Vocabularies.
        settings_: All settings of the training.
        seed_: The seed that was drawn.
        valid_loss_: Nats per token on the validation part, or None without one.
        n_iter_: Updates of the weights in training; ``n_updates_`` is the same.

    Example:
        >>> import engram
        >>> X, y = ["ab", "ba", "aa", "bb"] * 10, ["AB", "BA", "AA", "BB"] * 10
        >>> model = engram.Translator(hidden=16, epochs=10, batch=8, rate=0.01, valid=0)
        >>> model.fit(X, y).predict(["ab", "bb"]).tolist()
        ['AB', 'BB']
    """

    task: ClassVar[Task] = translate.TASK
    fixed: ClassVar[Mapping[str, Any]] = {"data": ["X", "y"], "test": 0.0}

    tokens: str = "characters"
    attend: str = "after"
    input_feeding: bool = False
    bidirectional: bool = True
    rate: float = 4e-3

    def fit(self, X: Sequence[str], y: Sequence[str], *, reporter: Reporter | None = None) -> Self:
        """Train on pairs.

        Args:
            X: Texts.
            y: What each becomes, as many.
            reporter: Who is told how the training goes; see `engram.Reporter`.

        Raises:
            ConfigError: For parameters that cannot work, all of them named.
            DataError: For what are no texts, or not as many.
        """
        settings = self._settings()
        sources, targets = texts(X, "X"), texts(y, "y")
        require_as_many(sources, targets, "texts", "texts")
        data = pairs.make_data(settings, pairs.split(settings, Pairs(sources, targets)))
        return self._fit(settings, data, reporter=reporter, run_dir=self.run_dir)

    def _rows(self, X: Any, asking: AskingSettings | None) -> list[tuple[str, dict[str, Any]]]:
        rows = translate.translate(self._trained(), texts(X, "X"), asking)
        return [(row["translation"], row) for row in rows]
