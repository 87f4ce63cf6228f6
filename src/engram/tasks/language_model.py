"""Language modelling: predict the next token of text."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from engram.data.augmentation.tokens import TokenNoise
from engram.data.batching.lanes import Lanes, evaluation_windows
from engram.data.labelled.encoding import TextEncoding
from engram.data.text.decoding import ANY_BYTES
from engram.data.text.documents import STDLIB, read_text
from engram.data.text.pieces import Pieces, pieces_of
from engram.data.text.token_streams import characters_of, digest_of, token_stream
from engram.data.text.tokens import (
    END,
    Ids,
    Tokenizer,
    cautions,
    fit_tokenizer,
    tokenizer_from_plain,
)
from engram.errors import ConfigError, DataError
from engram.models.many_to_many import ManyToMany
from engram.models.settings import ModelSettings
from engram.records import Report
from engram.settings import Settings
from engram.tasks.outlines.language_model import OUTLINE, LanguageModelSettings, SamplingSettings
from engram.tasks.probe import CONTEXTS, ROWS, Probe, Single, choose_targets
from engram.tasks.sampling import stream_sample
from engram.tasks.task import Data, Task, Trained
from engram.tasks.transfer import Start, read_start
from engram.training import parallel
from engram.training.device import device_of
from engram.training.evaluation import stream_loss
from engram.training.losses import cross_entropy
from engram.training.source import Objective
from engram.training.truncation import window_loss

NAME = OUTLINE.name


@dataclass(frozen=True)
class Vocabulary:
    """What was learnt on the training set in addition to weights: text to tokens and back."""

    tokenizer: Tokenizer

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        return {"tokenizer": self.tokenizer.plain()}

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> "Vocabulary":
        """Undo `plain`.

        Raises:
            DataError: For anything else.
        """
        return cls(tokenizer_from_plain(value.get("tokenizer")))


@dataclass(frozen=True)
class Score:
    """How well a model predicts a text.

    Attributes:
        loss: Nats per token.
        tokens: How many were predicted.
        characters: Of the text.
        unknown: Tokens that the vocabulary lacks, predicted as "unknown".
    """

    loss: float
    tokens: int
    characters: int
    unknown: int

    @property
    def bits_per_character(self) -> float:
        """The whole text's code length, spread over its characters."""
        return self.loss * self.tokens / max(1, self.characters) / math.log(2)

    @property
    def perplexity(self) -> float:
        """exp(loss): among how many equally likely tokens the model is torn."""
        return math.exp(min(self.loss, 700.0))


def read(settings: LanguageModelSettings) -> Data:
    """Read the text that the settings name.

    Raises:
        DataError: As `read_text` and `make_data` do.
        RunError: For a model to start from that is missing or damaged.
    """
    start = None if settings.start is None else read_start(settings.start)
    text = read_text(
        settings.data,
        encoding=settings.encoding,
        errors=_errors(settings, settings.errors),
        max_characters=settings.max_characters,
    )
    skipped = f" ({len(text.skipped)} empty or binary ones left out)" if text.skipped else ""
    known = kept_tokenizer(settings, start)
    data = make_data(settings, text.pieces, f"{text.files}{skipped}", known)
    return replace(data, warnings=[*data.warnings, *text.notes])


def _errors(settings: LanguageModelSettings, errors: str) -> str:
    """What is done with bytes that are not text: a model of bytes reads them as they are."""
    return ANY_BYTES if settings.tokens == "bytes" and errors == "strict" else errors


def make_data(
    settings: LanguageModelSettings,
    documents: Sequence[str] | Pieces,
    about: str = "text",
    known: Tokenizer | None = None,
) -> Data:
    """Split documents contiguously by characters, and turn each part into a stream of tokens.

    A document that a boundary cuts continues in the next part without a new beginning.

    Args:
        settings: How the text is split, and into what kind of tokens.
        documents: The text.
        about: What was read.
        known: A tokenizer that is kept if all of the training part is known to it; without one, or
            else, one is learnt there.

    Returns:
        Parts that are ``(N,)`` int32; None where the settings hold nothing out.

    Raises:
        ConfigError: If the parts leave nothing to train on.
        DataError: For documents without text.
    """
    pieces = pieces_of(documents)
    total = pieces.characters
    if total == 0:
        raise DataError("the documents contain no text; give at least one that does")
    share = 1.0 - settings.valid - settings.test
    first, second = round(total * share), round(total * (share + settings.valid))
    if first < 1:
        raise ConfigError(
            f"valid={settings.valid} and test={settings.test} leave none of the {total:,} "
            "characters to train on; lower them until their sum is below 1"
        )
    if known is not None and _knows(known, pieces, first):
        tokenizer = known
    else:
        read = (piece for piece, _ in pieces.part(0, first))
        tokenizer = fit_tokenizer(settings.tokens, read, settings.vocabulary)
    train, valid, test = (
        token_stream(tokenizer, pieces, start, stop)
        for start, stop in pairwise([0, first, second, total])
    )
    unit = tokenizer.unit
    return Data(
        train=train,
        valid=valid if settings.valid > 0.0 else None,
        test=test if len(test) > 1 else None,
        preprocess=Vocabulary(tokenizer),
        digest=digest_of((train, valid, test)),
        about=[
            f"{about}, {total:,} characters; {tokenizer.size:,} different {unit}",
            f"{len(train):,} {unit} to train, {len(valid):,} to validate, {len(test):,} to test",
        ],
        warnings=cautions(tokenizer, (piece for piece, _ in pieces.part(0, first))),
        unit=unit,
    )


def _knows(tokenizer: Tokenizer, pieces: Pieces, stop: int) -> bool:
    """Whether nothing is unknown in the text before this character."""
    read = pieces.part(0, stop)
    return not any((tokenizer.encode(piece) == tokenizer.unknown).any() for piece, _ in read)


def kept_tokenizer(settings: LanguageModelSettings, start: Start | None) -> Tokenizer | None:
    """The tokenizer of a start, unless the settings ask for another kind or size of vocabulary.

    Raises:
        ConfigError: For a start that reads no texts.
    """
    if start is None:
        return None
    if not isinstance(start.encoding, TextEncoding):
        raise ConfigError(
            f"{start.name} reads numeric columns, but a language model reads text; start from a "
            "model of texts"
        )
    asked = {"tokens": settings.tokens, "vocabulary": settings.vocabulary}
    same = all(start.settings.get(name) == value for name, value in asked.items())
    return start.tokenizer if same else None


def build(settings: LanguageModelSettings, vocabulary: Vocabulary) -> ManyToMany:
    """The untrained model that reads and writes a vocabulary."""
    own = {name: getattr(settings, name) for name in ModelSettings.model_fields}
    return ManyToMany(vocabulary.tokenizer.size, ModelSettings(**own))


def score(trained: Trained, documents: Sequence[str] | Pieces) -> Score:
    """Measure how well a model predicts documents.

    Raises:
        DataError: For documents without text.
    """
    pieces = pieces_of(documents)
    if pieces.characters == 0:
        raise DataError("the documents contain no text to score; give at least one that does")
    return score_stream(
        trained, token_stream(trained.preprocess.tokenizer, pieces), pieces.characters
    )


def score_stream(trained: Trained, ids: Ids, characters: int | None = None) -> Score:
    """Measure how well a model predicts a stream of tokens, ``(N,)``."""
    unknown = trained.preprocess.tokenizer.unknown
    count = 0 if unknown is None else int(np.count_nonzero(ids[1:] == unknown))
    loss = stream_loss(
        trained.model, evaluation_windows(ids, vocabulary=trained.preprocess.tokenizer.size)
    )
    if characters is None:
        characters = characters_of(trained.preprocess.tokenizer, ids)
    return Score(loss, len(ids) - 1, characters, count)


def evaluate(trained: Trained, ids: Ids) -> Report:
    """How well a model predicts a stream of tokens, ``(N,)``."""
    score = score_stream(trained, ids)
    measures: dict[str, float] = {
        "loss": score.loss,
        "bits per character": score.bits_per_character,
        "perplexity": score.perplexity,
        "tokens": score.tokens,
        "characters": score.characters,
    }
    if score.unknown:
        measures |= {"unknown": score.unknown, "unknown share": score.unknown / score.tokens}
    return Report(measures)


def probe(trained: Trained, ids: Ids) -> Probe:
    """Single losses of tokens of a stream, ``(N,)``."""
    settings, unit = trained.settings, trained.preprocess.tokenizer.unit
    return probe_of(ids, unit, truncation=settings.k2, seed=settings.seed)


def probe_of(
    ids: Ids,
    unit: str = "tokens",
    *,
    truncation: int | None = None,
    seed: int = 0,
    contexts: Sequence[int] = CONTEXTS,
    rows: int = ROWS,
) -> Probe:
    """Single losses of tokens of a stream, whose contexts lie within one document each.

    A document begins with its END token, which is context; the END after it is a target.

    Args:
        ids: The stream, ``(N,)``.
        unit: What a token is called, in the plural.
        truncation: Steps that a gradient flowed back in training.
        seed: Of the targets.
        contexts: Lengths of context to choose from.
        rows: How many targets, at most.
    """
    starts = np.flatnonzero(ids == END)
    positions = np.arange(len(ids))
    # index of the END that begins the document in which each target is predicted
    document = np.searchsorted(starts, positions, side="left") - 1
    begin = np.where(document >= 0, starts[document] if len(starts) else 0, 0)
    longest, chosen = choose_targets(positions - begin, seed, contexts, rows)

    def losses(model: Any, some: slice, context: int | None) -> Single:
        ends = chosen[some]
        steps = np.arange(-(context or longest), 0)[:, None] + ends
        device = device_of(model)
        inputs, targets = (
            torch.from_numpy(ids[each].astype(np.int64)).to(device) for each in (steps, ends)
        )
        output, _ = model.layers(model.embedding(inputs))
        scores = model.head(output[-1])  # those of other steps would take memory alone
        return Single(cross_entropy(scores, targets, reduction="none"))

    return Probe(losses, len(chosen), longest, unit, truncation)


class JudgingSettings(Settings):
    """What is measured."""

    data: list[str] = Field(
        min_length=1, description="files, folders and globs, or 'stdlib', as in training"
    )
    encoding: str | None = Field(
        None, description="text encoding of the files; default as in training"
    )
    errors: Literal["strict", "replace", "ignore"] | None = Field(
        None, description="how to handle invalid bytes; default as in training"
    )


def read_part(trained: Trained, given: JudgingSettings) -> Ids:
    """Other text as a stream of tokens, read as the training's was unless it is said.

    Raises:
        DataError: As `read_text`.
    """
    own = trained.settings
    text = read_text(
        given.data,
        encoding=given.encoding or own.encoding,
        errors=_errors(own, given.errors or own.errors),
    )
    return token_stream(trained.preprocess.tokenizer, text.pieces)


def sample(trained: Trained, prompt: str, sampling: SamplingSettings) -> Iterator[str]:
    """Write on from a prompt; see `stream_sample`."""
    return stream_sample(trained, prompt, **sampling.model_dump())


def _source(settings: LanguageModelSettings, data: Data) -> Lanes:
    tokenizer = data.preprocess.tokenizer
    lanes = Lanes(
        data.train,
        settings.lanes,
        settings.steps,
        settings.k2,
        shift=settings.shift,
        seed=settings.seed,
        rows=parallel.own_rows(settings.lanes),
        noise=TokenNoise.make(settings, tokenizer, data.train, settings.seed),
        deviation=settings.steps_deviation,
    )
    if data.valid is not None and len(data.valid) < 2:
        raise DataError(
            f"the validation set has {len(data.valid)} tokens and needs at least 2; give more "
            f"text, a larger --valid than {settings.valid}, or --valid 0 to train without one"
        )
    return lanes


def _objective(settings: LanguageModelSettings, _: Data) -> Objective:
    return partial(window_loss, smoothing=settings.label_smoothing)


def _loss(model: nn.Module, _: LanguageModelSettings, data: Data) -> float:
    return stream_loss(
        model, evaluation_windows(data.valid, vocabulary=data.preprocess.tokenizer.size)
    )


TASK = Task(
    outline=OUTLINE,
    unit="tokens",
    loss_unit="nats per token",
    read=read,
    build=build,
    source=_source,
    objective=_objective,
    loss=_loss,
    preprocess_from=Vocabulary.from_plain,
    evaluate=evaluate,
    judging=JudgingSettings,
    read_part=read_part,
    sample=sample,
    probe=probe,
    next_steps=lambda run: [
        f"engram sample {run} --length 400 --temperature 0.8",
        f"engram eval {run} --data OTHER.txt",
        f"engram info {run}",
    ],
    makes=(STDLIB,),
    diagnosed=True,
)
