"""LanguageModel: fit on texts, score texts, sample text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from engram.errors import ConfigError, DataError
from engram.estimators.fitting import fit, loaded, trained_of, values_of
from engram.tasks import fitting
from engram.tasks import language_model as task
from engram.tasks.sampling import stream_sample
from engram.tasks.task import Data, Trained
from engram.tasks.transfer import Start, starting_values
from engram.training.reporting import Reporter
from engram.training.run_folder import RunFolder


class LanguageModel(BaseEstimator):
    """A recurrent language model with scikit-learn's manners.

    Args:
        tokens: ``"characters"``, ``"bytes"``, ``"words"`` or ``"bpe"``.
        vocabulary: Most entries of words or bpe.
        cell, hidden, layers, dropout, weight_drop, forget_bias: The model; see `ModelSettings`.
        epochs, lanes, steps, reach, optimizer, rate, schedule, clip_norm, weight_decay, patience:
            The training; see `TrainingSettings`. A text has to hold ``lanes * steps`` tokens.
        valid: Share of the text, at its end, that chooses the best weights; 0 keeps the last ones.
        random_state: Seed of everything random.
        run_dir: Where the training is recorded; None writes nothing to disk.

    Attributes:
        module_: The torch module: tokens ``(T, B)`` in, scores ``(T, B, V)`` and states out.
        tokenizer_: Text to tokens and back.
        settings_: All settings of the last training.
        valid_loss_: Nats a token on the validation part, or None without one.
        n_iter_: Updates of the weights in training; ``n_updates_`` is the same.
    """

    def __init__(
        self,
        *,
        tokens: str = "characters",
        vocabulary: int = 10_000,
        cell: str = "lstm",
        hidden: int = 128,
        layers: int = 1,
        dropout: float = 0.0,
        weight_drop: float = 0.0,
        forget_bias: float | None = None,
        epochs: int = 10,
        lanes: int = 16,
        steps: int = 32,
        reach: int | None = None,
        optimizer: str = "adamw",
        rate: float = 2e-3,
        schedule: str = "cosine",
        clip_norm: float | None = 1.0,
        weight_decay: float = 0.0,
        patience: int | None = None,
        valid: float = 0.05,
        random_state: int = 0,
        run_dir: str | Path | None = None,
    ) -> None:
        self.tokens = tokens
        self.vocabulary = vocabulary
        self.cell = cell
        self.hidden = hidden
        self.layers = layers
        self.dropout = dropout
        self.weight_drop = weight_drop
        self.forget_bias = forget_bias
        self.epochs = epochs
        self.lanes = lanes
        self.steps = steps
        self.reach = reach
        self.optimizer = optimizer
        self.rate = rate
        self.schedule = schedule
        self.clip_norm = clip_norm
        self.weight_decay = weight_decay
        self.patience = patience
        self.valid = valid
        self.random_state = random_state
        self.run_dir = run_dir

    def fit(
        self, X: str | Sequence[str], y: None = None, *, reporter: Reporter | None = None
    ) -> Self:
        """Train on texts.

        Args:
            X: One text, or several documents; the model learns where each begins and ends.
            y: Ignored.
            reporter: Who is told how the training goes; see `engram.Reporter`.

        Raises:
            ConfigError: For parameters that cannot work, all of them named.
            DataError: For texts that are empty, too short, or no text.
        """
        settings = self._settings()
        data = task.make_data(settings, _documents(X))
        return self._fit(settings, data, self.run_dir, "fit", reporter=reporter)

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
    ) -> Self:
        """Train the fitted model further, on other texts; all else is as in the training before.

        Where the texts hold what the model does not know, a new vocabulary is learnt: head and
        embedding keep the rows of all tokens in both, and the others begin anew.

        Args:
            X: One text, or several documents.
            y: Ignored.
            freeze: Regions that do not learn, see `engram.anatomy`: ``"parietal"`` (embedding),
                ``"frontal"`` (recurrent layers), ``"temporal"`` (head).
            rates: Factors on the learning rate by region.
            rate_decay: Each region learns at the rate of the one above it divided by this.
            unfreeze_every: Begin with the last region alone, and add the one below it after so
                many updates.
            rate: Learning rate; default half of that of the training before.
            epochs: Passes over the texts; default those of the training before.
            run_dir: Where the training is recorded; None writes nothing to disk.

        Raises:
            ConfigError: For parameters that contradict each other or the model, all of them named.
            DataError: For texts that are empty, too short, or no text.
        """
        check_is_fitted(self, "module_")
        start = self._trained()
        begun = Start.of(start)
        values = starting_values(task.NAME, task.LanguageModelSettings, begun) | {
            "start": None,
            "data": ["X"],
            "freeze": list(freeze),
            "rates": dict(rates or {}),
            "rate_decay": rate_decay,
            "unfreeze_every": unfreeze_every,
        }
        values |= {} if rate is None else {"rate": rate}
        values |= {} if epochs is None else {"epochs": epochs}
        values |= {} if run_dir is None else {"start": str(RunFolder(Path(run_dir)).start)}
        settings = task.LanguageModelSettings.checked(values, "LanguageModel.finetune")
        known = task.kept_tokenizer(settings, begun)
        data = task.make_data(settings, _documents(X), known=known)
        return self._fit(settings, data, run_dir, "finetune", start)

    def score(self, X: str | Sequence[str], y: None = None) -> float:
        """Mean log-likelihood of texts in nats a token; higher is better.

        Raises:
            DataError: For texts that are empty or no text.
        """
        check_is_fitted(self, "module_")
        return -task.score(self._trained(), _documents(X)).loss

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
        """Write on from a prompt; arguments as in `stream_sample`. The prompt is not given back."""
        check_is_fitted(self, "module_")
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

    def save(self, path: str | Path) -> None:
        """Write the fitted model into a folder, as a run's ``model/``.

        Raises:
            RunError: Where it cannot be written.
        """
        check_is_fitted(self, "module_")
        fitting.save(Path(path), self._trained())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a folder that `save` or a training (``RUN/model``) wrote.

        Raises:
            RunError: Where it is missing or damaged.
        """
        estimator = loaded(cls, task.TASK, path)
        estimator.tokenizer_ = estimator.preprocess_.tokenizer
        return cast(Self, estimator)

    def _settings(self) -> task.LanguageModelSettings:
        values = values_of(self) | {"test": 0.0}
        return task.LanguageModelSettings.checked(values, "LanguageModel")

    def _fit(
        self,
        settings: task.LanguageModelSettings,
        data: Data,
        run_dir: str | Path | None,
        method: str,
        start: Trained | None = None,
        reporter: Reporter | None = None,
    ) -> Self:
        fit(
            self,
            task.TASK,
            settings,
            data,
            start=start,
            reporter=reporter,
            run_dir=run_dir,
            method=method,
        )
        self.n_updates_ = self.n_iter_
        self.tokenizer_ = data.preprocess.tokenizer
        return self

    def _trained(self) -> Trained:
        return trained_of(self, task.TASK)


def _documents(X: Any) -> list[str]:
    if isinstance(X, str):
        return [X]
    try:
        documents = list(X)
    except TypeError:
        raise ConfigError(
            f"X is {type(X).__name__}; it takes a text, or a sequence of texts"
        ) from None
    for index, document in enumerate(documents):
        if not isinstance(document, str):
            raise DataError(
                f"X[{index}] is {type(document).__name__}; each document is a text (str)"
            )
    return documents
