"""Translation: a text in, another text out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from engram.data.arrays.sequences import Sequences
from engram.data.batching.batch import Batch
from engram.data.batching.buckets import Buckets, in_order
from engram.data.batching.padding import padded
from engram.data.settings import BucketSettings, FileEncoding, InvalidBytes
from engram.data.text.decoding import lines_of
from engram.data.text.tokens import Tokenizer
from engram.errors import ConfigError
from engram.models.decoding import Hypothesis
from engram.models.encoder_decoder import EncoderDecoder
from engram.models.settings import EncoderDecoderSettings
from engram.records import Report
from engram.tasks.outlines.translate import OUTLINE, PairSettings, TranslateSettings
from engram.tasks.pairs import DATES, Part, Vocabularies, read, read_judged
from engram.tasks.probe import Probe
from engram.tasks.task import Data, Task, Trained
from engram.tasks.writing import (
    AskingSettings,
    Targets,
    drawn_in,
    encoded,
    judged,
    loss_of,
    part_loss,
    probe_of,
    targets_of,
    written,
)
from engram.training.device import device_of
from engram.training.source import Objective


@dataclass(frozen=True)
class PairBatch(Batch):
    """Pairs side by side.

    Attributes:
        sources: ``(T, B)`` int64.
        lengths: Of the sources, ``(B,)`` int64.
        written: What is to be written.
        rows: Which pairs, ``(B,)`` int64.
        share: See `Batch`.
    """

    axes: ClassVar[Mapping[str, int]] = {"sources": 1, "lengths": 0, "rows": 0}

    sources: Tensor
    lengths: Tensor
    written: Targets
    rows: np.ndarray
    share: float = 1.0

    @property
    def count(self) -> int:
        """Tokens that are to be written, in all processes."""
        return self.written.count

    @property
    def terms(self) -> float:
        """Tokens of these rows that are to be written."""
        return self.written.terms


def evaluate(trained: Trained, part: Part) -> Report:
    """Exact match, BLEU and loss on a part, and some of what was wrong."""
    loss = _mean_loss(trained.model, trained.settings, part)
    vocabularies: Vocabularies = trained.preprocess
    outputs = [
        vocabularies.target.decode(hypothesis.tokens)
        for hypothesis in answers(trained, part.sources)
    ]
    references = [[text] for text in part.pairs.targets]
    return judged(part.pairs.sources, outputs, references, loss)


def answers(
    trained: Trained, sources: Sequences, asking: AskingSettings | None = None
) -> list[Hypothesis]:
    """What a model writes for each source; attention, where asked for, covers its own tokens."""
    model: Any = trained.model
    model.eval()
    vocabularies, settings = trained.preprocess, trained.settings
    looked = asking is not None and asking.attention  # it is large, where sources are many
    found: dict[int, Hypothesis] = {}
    device = device_of(model)
    for rows, tokens, lengths in in_order(
        sources.lengths, lambda rows: (rows, *padded(sources, rows)), _batches(settings)
    ):
        limits = [vocabularies.limit(length) for length in lengths.tolist()]
        with torch.inference_mode():
            begun = model.begin(tokens.to(device), lengths.to(device))
        hypotheses = written(model, begun, limits, settings, vocabularies.target, asking)
        for row, length, hypothesis in zip(rows, lengths.tolist(), hypotheses, strict=True):
            seen = hypothesis.attention
            found[int(row)] = Hypothesis(
                hypothesis.tokens,
                hypothesis.log_probability,
                hypothesis.ended,
                seen[:, :length] if looked and seen is not None else None,
            )
    return [found[row] for row in range(len(sources))]


def translate(
    trained: Trained, texts: Sequence[str], asking: AskingSettings | None = None
) -> Iterator[dict[str, Any]]:
    """Translate texts.

    Returns:
        For each its ``source``, ``translation`` and ``log_probability`` in nats, ``ended`` (false
        where it was cut off), and how many of its tokens are ``unknown``, as training had none of
        them; with ``asking.attention`` also the ``read`` and ``written`` tokens,
        and for each that was written a row of ``attention`` on what was read.
    """
    vocabularies: Vocabularies = trained.preprocess
    sources = encoded(vocabularies.source, texts)
    for text, ids, found in zip(texts, sources, answers(trained, sources, asking), strict=True):
        row = {
            "source": text,
            "translation": vocabularies.target.decode(found.tokens),
            "log_probability": found.log_probability,
            "ended": found.ended,
            "unknown": _unknown(vocabularies.source, ids),
        }
        if asking is not None and asking.attention and found.attention is not None:
            row["read"] = [vocabularies.source.decode([i]) for i in ids.tolist()]
            steps = [*found.tokens, *([0] if found.ended else [])]
            row["written"] = [vocabularies.target.decode([i]) for i in steps]
            row["attention"] = [[round(x, 4) for x in line] for line in found.attention.tolist()]
        yield row


class TranslateAsking(AskingSettings):
    """What is translated, and how."""

    data: list[str] = Field([], description="text files with one text per line")
    text: list[str] = Field(
        [], description="texts themselves", json_schema_extra={"metavar": "TEXT"}
    )
    encoding: FileEncoding = "utf-8"
    errors: InvalidBytes = "strict"


def _predict(trained: Trained, asking: TranslateAsking) -> Iterator[dict[str, Any]]:
    texts = list(asking.text)
    for path in asking.data:
        texts += [
            line.strip()
            for line in lines_of(Path(path), encoding=asking.encoding, errors=asking.errors)
        ]
    if not texts:
        raise ConfigError("no input was given; give files with --data, or texts with --text")
    return translate(trained, texts, asking)


def _read_part(trained: Trained, judging: PairSettings) -> Part:
    vocabularies: Vocabularies = trained.preprocess
    return vocabularies.part(read_judged(judging))


def _unknown(tokenizer: Tokenizer, ids: np.ndarray) -> int:
    """How many tokens the vocabulary lacks."""
    return 0 if tokenizer.unknown is None else int(np.count_nonzero(ids == tokenizer.unknown))


def _batches(settings: Any) -> BucketSettings:
    """Batches of evaluation, which need less memory than those of training."""
    return BucketSettings(batch=max(128, settings.batch), batch_steps=settings.batch_steps)


def _batch(part: Part, rows: np.ndarray, drawn: float = 0.0) -> PairBatch:
    return PairBatch(*padded(part.sources, rows), targets_of(part.targets, rows, drawn), rows)


def _build(settings: TranslateSettings, vocabularies: Vocabularies) -> nn.Module:
    own = {name: getattr(settings, name) for name in EncoderDecoderSettings.model_fields}
    return EncoderDecoder(
        vocabularies.source.size, vocabularies.target.size, EncoderDecoderSettings(**own)
    )


def _source(settings: TranslateSettings, data: Data) -> Buckets:
    part: Part = data.train
    return Buckets(
        part.sources.lengths + part.targets.lengths,
        lambda rows, epoch: _batch(part, rows, drawn_in(epoch, settings)),
        BucketSettings(batch=settings.batch, batch_steps=settings.batch_steps),
        settings.seed,
    )


def _objective(settings: TranslateSettings, data: Data) -> Objective:
    def objective(model: nn.Module, batch: PairBatch, state: Any) -> tuple[Tensor, None]:
        asked = batch.written
        scores, _ = model(batch.sources, batch.lengths, asked.inputs, drawn=asked.drawn)
        return loss_of(scores, asked.targets, settings), None

    return objective


def _probe(trained: Trained, part: Part) -> Probe:
    def begin(model: Any, rows: np.ndarray) -> Any:
        device = device_of(model)
        return model.begin(*(each.to(device) for each in padded(part.sources, rows)))

    return probe_of(part.targets, trained.settings.seed, begin)


def _mean_loss(model: nn.Module, settings: Any, part: Part) -> float:
    lengths = part.sources.lengths + part.targets.lengths
    batches = in_order(lengths, lambda rows: _batch(part, rows), _batches(settings))
    return part_loss(model, batches, lambda m, b: m(b.sources, b.lengths, b.written.inputs)[0])


def _loss(model: nn.Module, settings: TranslateSettings, data: Data) -> float:
    return _mean_loss(model, settings, data.valid)


TASK = Task(
    outline=OUTLINE,
    unit="tokens",
    read=read,
    build=_build,
    source=_source,
    objective=_objective,
    loss=_loss,
    preprocess_from=Vocabularies.from_plain,
    evaluate=evaluate,
    asking=TranslateAsking,
    predict=_predict,
    judging=PairSettings,
    read_part=_read_part,
    probe=_probe,
    makes=(DATES,),
)
