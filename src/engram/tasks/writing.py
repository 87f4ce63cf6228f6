"""What tasks that write a sequence share: settings, targets, loss, decoding, measures."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from engram.data.arrays.sequences import Sequences
from engram.data.batching.batch import on_device
from engram.data.batching.lanes import IGNORED
from engram.data.batching.padding import padded
from engram.data.text.tokens import END, Tokenizer
from engram.models.decoding import Hypothesis, beam_search, sample
from engram.models.settings import DecodingSettings, TopK, TopP
from engram.records import Report, ReportTable
from engram.settings import Settings
from engram.tasks.probe import Probe, Single, choose_targets
from engram.training.device import device_of
from engram.training.evaluation import mean_loss
from engram.training.losses import cross_entropy

_SHOWN = 8  # wrong outputs that a report shows


class AskingSettings(Settings):
    """How answers are found and shown."""

    beam: int | None = Field(
        None, ge=1, description="beam width; 1 is greedy decoding; default as in training"
    )
    length_penalty: float | None = Field(
        None, ge=0.0, description="length penalty of the beam search; default as in training"
    )
    temperature: float = Field(
        0.0,
        ge=0.0,
        description="above 0, sample tokens instead of beam search; 1 uses the "
        "model's probabilities",
    )
    top_k: TopK = None
    top_p: TopP = None
    seed: int = Field(0, ge=0, lt=1 << 63, description="seed for sampling")
    attention: bool = Field(False, description="output the attention weights of each token")

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        faults = super().contradictions()
        if self.temperature == 0.0 and (self.top_k is not None or self.top_p is not None):
            faults.append(
                "top_k and top_p apply to sampling; use them with a --temperature above 0"
            )
        if self.temperature > 0.0 and self.beam is not None and self.beam > 1:
            faults.append(
                "beam search and sampling with a temperature exclude each other; give "
                "only one of them"
            )
        return faults


@dataclass(frozen=True)
class Targets:
    """What is to be written, as a decoder is taught it.

    Attributes:
        inputs: ``(S, B)`` int64: END, then the tokens.
        targets: ``(S, B)`` int64: the tokens, then END; `IGNORED` behind it.
        count: How many tokens count, in all processes.
        drawn: Share of inputs that the model draws itself.
    """

    inputs: Tensor
    targets: Tensor
    count: int
    drawn: float = 0.0

    def of_rows(self, rows: slice) -> "Targets":
        """The same, of these rows alone."""
        return replace(self, inputs=self.inputs[:, rows], targets=self.targets[:, rows])

    def to(self, device: torch.device | str) -> "Targets":
        """The same on a device."""
        return on_device(self, device)

    @property
    def terms(self) -> float:
        """How many tokens of these rows count."""
        return float((self.targets != IGNORED).sum())


def encoded(tokenizer: Tokenizer, texts: Iterable[str]) -> Sequences:
    """Tokens of each text, and END behind them."""
    end = np.array([END], dtype=np.int32)
    return Sequences.of(np.concatenate([tokenizer.encode(text), end]) for text in texts)


def targets_of(sequences: Sequences, rows: np.ndarray, drawn: float = 0.0) -> Targets:
    """Some sequences side by side, for a decoder."""
    tokens, lengths = padded(sequences, rows, IGNORED)
    # a token that is ignored is never read: what follows it is ignored too
    inputs = torch.cat([torch.full_like(tokens[:1], END), tokens[:-1].clamp(min=END)])
    return Targets(inputs, tokens, int(lengths.sum()), drawn)


def drawn_in(epoch: int, settings: Any) -> float:
    """Share of previous tokens that the model draws itself in an epoch.

    Linear, from 0 in the first to `TeacherSettings.scheduled_sampling` in the last (Bengio et al.
    2015, "Scheduled sampling for sequence prediction with recurrent neural networks", section 2.4).
    """
    if settings.epochs < 2:
        return float(settings.scheduled_sampling)
    return float(settings.scheduled_sampling) * min(1.0, epoch / (settings.epochs - 1))


def loss_of(scores: Tensor, targets: Tensor, settings: Any) -> Tensor:
    """What training lowers: nats per token, labels smoothed as the settings say."""
    return cross_entropy(scores, targets, smoothing=settings.label_smoothing)


def part_loss(
    model: nn.Module, batches: Iterable[Any], scores_of: Callable[[nn.Module, Any], Tensor]
) -> float:
    """Nats per token over batches that have `Targets`, of which none is drawn; see `mean_loss`."""

    def loss(batch: Any) -> tuple[Tensor, float]:
        scores = scores_of(model, batch)
        return cross_entropy(scores, batch.written.targets, reduction="sum"), batch.terms

    return mean_loss(model, batches, loss)


def probe_of(
    targets: Sequences,
    seed: int,
    begin: Callable[[Any, np.ndarray], Any],
) -> Probe:
    """Single losses of tokens that are written; a context is what was written before them.

    What is written about is always known whole.

    Args:
        targets: What is to be written, END behind it.
        seed: Of the tokens that are measured.
        begin: ``begin(model, rows)``: what the decoder of a model starts from.
    """
    rows = np.repeat(np.arange(len(targets)), targets.lengths)
    steps = np.arange(len(rows)) - targets.offsets[rows]
    longest, chosen = choose_targets(steps + 1, seed)

    def losses(model: Any, some: slice, context: int | None) -> Single:
        picked = chosen[some]
        of, at = rows[picked], torch.from_numpy(steps[picked])
        asked = targets_of(targets, of)
        inputs, place = asked.inputs, at
        if context is not None:
            read = torch.arange(context).unsqueeze(1) + (at + 1 - context)
            inputs, place = inputs.gather(0, read), torch.full_like(at, context - 1)
        row, device = torch.arange(len(picked)), device_of(model)
        wanted = asked.targets[at, row].to(device)
        scores, _ = model.decoder(inputs.to(device), begin(model, of))
        place = place.to(device)
        loss = cross_entropy(scores[place, row.to(device)], wanted, reduction="none")
        return Single(loss, {"decoder.layers": place})

    return Probe(losses, len(chosen), longest, "tokens")


@torch.inference_mode()
def written(
    model: Any,
    begun: Any,
    longest: Sequence[int],
    settings: DecodingSettings,
    tokenizer: Tokenizer,
    asking: AskingSettings | None = None,
) -> list[Hypothesis]:
    """What a model writes for a batch that it has read.

    Args:
        model: Has ``step``.
        begun: What its ``begin`` gave.
        longest: Most tokens of each row.
        settings: As trained with.
        tokenizer: Whose "unknown" is never written.
        asking: What is asked for instead.
    """
    banned = () if tokenizer.unknown is None else (tokenizer.unknown,)
    asked, device = asking or AskingSettings(), device_of(model)
    if asked.temperature > 0.0:
        return sample(
            model.step,
            begun,
            longest,
            temperature=asked.temperature,
            top_k=asked.top_k,
            top_p=asked.top_p,
            seed=asked.seed,
            banned=banned,
            device=device,
        )
    width = settings.beam if asked.beam is None else asked.beam
    penalty = settings.length_penalty if asked.length_penalty is None else asked.length_penalty
    found = beam_search(
        model.step,
        begun,
        longest,
        width=width,
        length_penalty=penalty,
        banned=banned,
        device=device,
    )
    return [hypotheses[0] for hypotheses in found]


def judged(
    given: Sequence[str], outputs: Sequence[str], references: Sequence[Sequence[str]], loss: float
) -> Report:
    """How good outputs are.

    Args:
        given: What each was written for, in words.
        outputs: What was written.
        references: What would have been right, one or more for each.
        loss: Nats per token of the references.
    """
    right = [output in known for output, known in zip(outputs, references, strict=True)]
    wrong = [
        [what, output, known[0]]
        for what, output, known, good in zip(given, outputs, references, right, strict=True)
        if not good
    ]
    measures = {
        "exact match": sum(right) / len(right),
        "BLEU": bleu(outputs, references),
        "loss": loss,
        "examples": len(right),
    }
    tables = {}
    if wrong:
        title = f"wrong, {min(len(wrong), _SHOWN)} of {len(wrong):,}"
        tables[title] = ReportTable(["given", "written", "right"], wrong[:_SHOWN])
    return Report(measures, tables)


def bleu(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """BLEU of a corpus, 0 to 100, by sacrebleu with its own settings (tokens 13a, smoothing exp).

    Papineni et al. 2002; Post 2018, "A call for clarity in reporting BLEU scores". Where no output
    has four words, it is that of the longest runs that there are (sacrebleu's effective order).

    Args:
        outputs: What was written.
        references: What would have been right, one or more for each.
    """
    from sacrebleu.metrics import BLEU

    most = max(len(known) for known in references)
    # sacrebleu leaves out references that are None
    columns = [[known[n] if n < len(known) else None for known in references] for n in range(most)]
    return float(BLEU(effective_order=True).corpus_score(list(outputs), columns).score)
