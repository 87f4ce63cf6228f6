"""Translator: train on pairs of texts, translate texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from engram.data.labelled.pairs import Pairs
from engram.estimators.inputs import require_as_many, texts
from engram.estimators.writing_estimator import WritingEstimator
from engram.tasks import pairs, translate
from engram.tasks.origin import IN_MEMORY
from engram.tasks.task import Task
from engram.tasks.writing import AskingSettings
from engram.training.reporting import Reporter


@dataclass(kw_only=True, eq=False, repr=False)
class Translator(WritingEstimator):
    """A text-to-text model with the scikit-learn API.

    Args:
        tokens: ``"characters"``, ``"bytes"``, ``"words"`` or ``"bpe"``.
        vocabulary: Maximum number of entries for words or bpe, on each side.
        cell, hidden, layers, embedding, dropout, forget_bias, attention, attend, input_feeding,
            bidirectional: The model; see `EncoderDecoderSettings`.
        beam, length_penalty: Decoding; see `DecodingSettings`.
        epochs, batch, optimizer, rate, schedule, warmup, clip_norm, weight_decay, patience,
            scheduled_sampling, label_smoothing: The training; see `TrainingSettings`.
        valid: Fraction of the pairs, drawn by the seed, held out to select the best weights; 0
            keeps the last ones.
        random_state: Seed of all randomness; a numpy RandomState that each fit draws a seed from;
            or None for numpy's global one.
        run_dir: Folder in which to record the training; None writes nothing to disk.

    Attributes:
        module_: The torch module, in evaluation mode; see `EncoderDecoder`.
        preprocess_: Vocabularies.
        settings_: All training settings.
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
    fixed: ClassVar[Mapping[str, Any]] = {"data": [IN_MEMORY, "y"], "test": 0.0}

    tokens: str = "characters"
    attend: str = "after"
    input_feeding: bool = False
    bidirectional: bool = True
    rate: float = 4e-3

    def fit(self, X: Sequence[str], y: Sequence[str], *, reporter: Reporter | None = None) -> Self:
        """Train on pairs of texts.

        Args:
            X: Source texts.
            y: Target texts, one for each.
            reporter: Receives training progress; see `engram.Reporter`.

        Raises:
            ConfigError: For invalid parameters; the message names all of them.
            DataError: For values that are not texts, or a different number of them.
        """
        settings = self._settings()
        sources, targets = texts(X, "X"), texts(y, "y")
        require_as_many(sources, targets, "texts", "texts")
        data = pairs.make_data(settings, pairs.split_pairs(settings, Pairs(sources, targets)))
        return self._fit(settings, data, reporter=reporter, run_dir=self.run_dir)

    def _rows(self, X: Any, asking: AskingSettings | None) -> list[tuple[str, dict[str, Any]]]:
        rows = translate.translate(self._trained(), texts(X, "X"), asking)
        return [(row["translation"], row) for row in rows]
