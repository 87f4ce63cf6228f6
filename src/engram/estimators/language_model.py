"""LanguageModel: train on texts, score texts, sample text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from engram.estimators.inputs import texts
from engram.estimators.stored import Fitted
from engram.estimators.task_estimator import TaskEstimator
from engram.tasks import language_model
from engram.tasks.origin import IN_MEMORY
from engram.tasks.outlines.language_model import LanguageModelSettings
from engram.tasks.sampling import stream_sample
from engram.tasks.task import Task, Trained
from engram.tasks.transfer import Start, starting_values
from engram.training.reporting import Reporter
from engram.training.run_folder import RunFolder


@dataclass(kw_only=True, eq=False, repr=False)
class LanguageModel(TaskEstimator):
    """A recurrent language model with the scikit-learn API.

    Args:
        tokens: ``"characters"``, ``"bytes"``, ``"words"`` or ``"bpe"``.
        vocabulary: Maximum number of entries for words or bpe.
        cell, hidden, layers, dropout, weight_drop, forget_bias: The model; see `ModelSettings`.
        epochs, lanes, steps, reach, optimizer, rate, schedule, clip_norm, weight_decay, patience:
            The training; see `TrainingSettings`. A text must have at least ``lanes * steps``
            tokens.
        valid: Fraction of the text, at its end, held out to select the best weights; 0 keeps the
            last ones.
        random_state: Seed of all randomness; a numpy RandomState that each fit draws a seed from;
            or None for numpy's global one.
        run_dir: Folder in which to record the training; None writes nothing to disk.

    Attributes:
        module_: The torch module, in evaluation mode: tokens ``(T, B)`` in, scores ``(T, B, V)``
            and states out.
        tokenizer_: Converts text to tokens and back.
        settings_: All settings of the last training.
        seed_: The seed that was drawn.
        valid_loss_: Nats per token on the validation part, or None without one.
        n_iter_: Updates of the weights in training; ``n_updates_`` is the same.

    Example:
        >>> import engram
        >>> model = engram.LanguageModel(hidden=16, lanes=4, steps=16, epochs=10, rate=0.01)
        >>> model.fit("to be or not to be, " * 40).sample("to be", length=8, temperature=0)
        ' or not '
    """

    task: ClassVar[Task] = language_model.TASK

    tokens: str = "characters"
    vocabulary: int = 10_000
    hidden: int = 128
    weight_drop: float = 0.0
    epochs: int = 10
    lanes: int = 16
    steps: int = 32
    reach: int | None = None
    rate: float = 2e-3
    valid: float = 0.05

    def fit(
        self, X: str | Sequence[str], y: None = None, *, reporter: Reporter | None = None
    ) -> Self:
        """Train on texts.

        Args:
            X: One text, or several documents; the model learns where each begins and ends.
            y: Ignored.
            reporter: Receives training progress; see `engram.Reporter`.

        Raises:
            ConfigError: For invalid parameters; the message names all of them.
            DataError: For texts that are empty, too short, or not text.
        """
        settings = self._settings()
        data = language_model.make_data(settings, _documents(X))
        return self._fit(settings, data, reporter=reporter, run_dir=self.run_dir)

    def finetune(
        self,
        X: str | Sequence[str],
        y: None = None,
        *,
        freeze: Sequence[str] = (),
        rates: Mapping[str, float] | None = None,
        rate_decay: float | None = None,
        unfreeze_every: int | None = None,
        rate: float | None = None,
        epochs: int | None = None,
        run_dir: str | Path | None = None,
        reporter: Reporter | None = None,
    ) -> Self:
        """Continue training the fitted model on other texts, otherwise with the same settings.

        If the texts contain unknown tokens, a new vocabulary is built: head and embedding keep the
        rows of tokens in both vocabularies, and the others are re-initialised.

        Args:
            X: One text, or several documents.
            y: Ignored.
            freeze: Regions to freeze, see `engram.anatomy`: ``"parietal"`` (embedding),
                ``"frontal"`` (recurrent layers), ``"temporal"`` (head).
            rates: Learning rate factors by region.
            rate_decay: The learning rate of each region is that of the one above it divided by
                this.
            unfreeze_every: Gradual unfreezing: start with only the last region, and add the next
                one below each time after this number of updates.
            rate: Learning rate; default: half that of the previous training.
            epochs: Passes over the texts; default: that of the previous training.
            run_dir: Folder in which to record the training; None writes nothing to disk.
            reporter: Receives training progress; see `engram.Reporter`.

        Raises:
            ConfigError: For parameters that conflict with each other or the model; the message
                names all of them.
            DataError: For texts that are empty, too short, or not text.
        """
        start = self._trained()
        begun = Start.of(start)
        values = starting_values(language_model.NAME, LanguageModelSettings, begun) | {
            "start": None,
            "data": [IN_MEMORY],
            "freeze": list(freeze),
            "rates": dict(rates or {}),
            "rate_decay": rate_decay,
            "unfreeze_every": unfreeze_every,
        }
        values |= {} if rate is None else {"rate": rate}
        values |= {} if epochs is None else {"epochs": epochs}
        values |= {} if run_dir is None else {"start": str(RunFolder(Path(run_dir)).start)}
        settings = LanguageModelSettings.checked(values, "LanguageModel.finetune")
        known = language_model.kept_tokenizer(settings, begun)
        data = language_model.make_data(settings, _documents(X), known=known)
        return self._fit(
            settings, data, reporter=reporter, run_dir=run_dir, start=start, method="finetune"
        )

    def score(self, X: str | Sequence[str], y: None = None) -> float:
        """Mean log-likelihood of texts in nats per token; higher is better.

        Raises:
            DataError: For texts that are empty or not text.
        """
        return -language_model.score(self._trained(), _documents(X)).loss

    def sample(
        self,
        prompt: str = "",
        *,
        length: int = 400,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
    ) -> str:
        """Continue a prompt; arguments as in `stream_sample`. The result excludes the prompt."""
        pieces = stream_sample(
            self._trained(),
            prompt,
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
        )
        return "".join(pieces)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags

    def _take(self, trained: Trained, fitted: Fitted) -> None:
        super()._take(trained, fitted)
        self.tokenizer_ = trained.preprocess.tokenizer


def _documents(X: Any) -> list[str]:
    """One text, or several."""
    return [X] if isinstance(X, str) else texts(X, "X")
