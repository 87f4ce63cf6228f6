"""Polyphonic music: predict which keys sound at the next step.

The measure is the negative log-likelihood of a step, the sum over its 88 keys, in nats, as in
Boulanger-Lewandowski, Bengio, Vincent 2012; as in Bai, Kolter, Koltun 2018 it is the mean over all
steps of all pieces but the first of each.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from engram.data.arrays.sequences import Sequences
from engram.data.batching.batch import StepBatch
from engram.data.batching.buckets import Buckets, in_order
from engram.data.batching.padding import padded
from engram.data.settings import BucketSettings
from engram.data.sound.piano_rolls import COLUMNS, KEYS, LOWEST, read_piano_rolls, transposed
from engram.errors import DataError
from engram.models.aligned import Aligned
from engram.models.many_to_many import State
from engram.records import Report
from engram.tasks.outlines.polyphonic import OUTLINE, PolyphonicSettings, RollSettings
from engram.tasks.probe import Probe, Single, choose_targets
from engram.tasks.task import Data, Task, Trained
from engram.training.device import device_of
from engram.training.evaluation import mean_loss
from engram.training.losses import binary_cross_entropy
from engram.training.source import Objective


@dataclass(frozen=True)
class Keys:
    """What the inputs are: 88 keys, always."""

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        return {"keys": KEYS, "lowest": LOWEST}

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> "Keys":
        """Undo `plain`.

        Raises:
            DataError: For other keys.
        """
        if value != cls().plain():
            raise DataError(f"the keys are {value}; this version reads {cls().plain()}")
        return cls()


def read(settings: PolyphonicSettings) -> Data:
    """Read the parts of a file.

    Raises:
        DataError: As `read_piano_rolls`.
    """
    return make_data(read_piano_rolls(Path(settings.data)), [f"pieces from {settings.data}"])


def make_data(parts: dict[str, Sequences], about: list[str]) -> Data:
    """Pieces by part, as a task's data."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts.values():
        digest.update(part.offsets.tobytes() + part.values.astype(np.uint8).tobytes())
    lines = [
        f"{len(part):,} pieces of {part.lengths.min():,} to {part.lengths.max():,} steps: {name}"
        for name, part in parts.items()
    ]
    return Data(
        parts["train"],
        parts.get("valid"),
        parts.get("test"),
        Keys(),
        digest.hexdigest(),
        about + lines,
    )


def batch_of(rolls: Sequences, rows: np.ndarray) -> StepBatch:
    """The pieces with these numbers side by side."""
    laid, lengths = padded(rolls, rows)
    steps = lengths - 1
    return StepBatch(laid[:-1], steps, laid[1:], rows, int(steps.sum()))


def loss_of(model: nn.Module, batch: StepBatch, reduction: str = "mean") -> Tensor:
    """The negative log-likelihood of a batch's steps."""
    assert batch.targets is not None
    outputs, _ = model(batch.inputs, batch.lengths)
    return binary_cross_entropy(outputs, batch.targets, lengths=batch.lengths, reduction=reduction)


def part_loss(model: nn.Module, rolls: Sequences) -> float:
    """The negative log-likelihood per step, in nats; see `mean_loss`."""
    batches = in_order(rolls.lengths, lambda rows: batch_of(rolls, rows), BucketSettings(batch=64))
    return mean_loss(model, batches, lambda batch: (loss_of(model, batch, "sum"), batch.terms))


def probe(trained: Trained, rolls: Sequences) -> Probe:
    """Single losses of steps of pieces."""
    pieces = np.repeat(np.arange(len(rolls)), rolls.lengths)
    steps = np.arange(len(pieces)) - rolls.offsets[pieces]
    longest, chosen = choose_targets(steps, trained.settings.seed)

    def losses(model: nn.Module, some: slice, context: int | None) -> Single:
        ends = chosen[some]  # counted over all pieces
        read = np.arange(-(context or longest), 0)[:, None] + ends
        device = device_of(model)
        outputs, _ = model(torch.from_numpy(rolls.values[read]).to(device))
        wanted = torch.from_numpy(rolls.values[ends]).to(device)
        return Single(binary_cross_entropy(outputs[-1:], wanted[None], reduction="none")[0])

    return Probe(losses, len(chosen), longest, "steps")


def evaluate(trained: Trained, rolls: Sequences) -> Report:
    """The negative log-likelihood of a step on some pieces, and how often keys are right.

    Frame accuracy is Bay et al.'s (2009): TP / (TP + FP + FN) over all keys and steps, a key being
    predicted where its probability is above a half.
    """
    nll = part_loss(trained.model, rolls)
    hits, others = 0, 0
    with torch.inference_mode():
        device = device_of(trained.model)
        for batch in in_order(
            rolls.lengths, lambda rows: batch_of(rolls, rows).to(device), BucketSettings(batch=64)
        ):
            outputs, _ = trained.model(batch.inputs, batch.lengths)
            inside = torch.arange(len(outputs), device=device).unsqueeze(1) < batch.lengths
            given, wanted = (outputs > 0)[inside], (batch.targets > 0)[inside]
            hits += int((given & wanted).sum())
            others += int((given ^ wanted).sum())
    return Report(
        {
            "NLL per step": nll,
            "frame accuracy": hits / max(1, hits + others),
            "pieces": len(rolls),
            "steps": int(rolls.lengths.sum()) - len(rolls),
        }
    )


class AskingSettings(RollSettings):
    """What is predicted."""

    part: str = Field("test", description="part of the file: train, valid or test")


def _part(given: AskingSettings) -> Sequences:
    parts = read_piano_rolls(Path(given.data))
    if given.part not in parts:
        raise DataError(
            f"{given.data} has no part '{given.part}'; it has {', '.join(parts)}: choose one with "
            "--part"
        )
    return parts[given.part]


@torch.inference_mode()
def predict(trained: Trained, asking: AskingSettings) -> Iterator[dict[str, Any]]:
    """For each piece, the keys that are most likely to sound next, with their probabilities."""
    rolls, device = _part(asking), device_of(trained.model)
    for number, roll in enumerate(rolls, start=1):
        outputs, _ = trained.model(torch.from_numpy(roll).unsqueeze(1).to(device))
        chances = outputs[-1, 0].sigmoid().cpu()
        likely = [key for key in chances.argsort(descending=True).tolist() if chances[key] > 0.05]
        yield {
            "piece": number,
            "steps": len(roll),
            "next": " ".join(f"{LOWEST + key}:{chances[key]:.2f}" for key in likely),
        }


def _build(settings: PolyphonicSettings, _: Keys) -> nn.Module:
    return Aligned(KEYS, KEYS, settings)


def _source(settings: PolyphonicSettings, data: Data) -> Buckets:
    rolls: Sequences = data.train
    own = BucketSettings(batch=settings.batch, batch_steps=settings.batch_steps)

    def make(rows: np.ndarray, epoch: int) -> StepBatch:
        if not settings.transpose:
            return batch_of(rolls, rows)
        moved = [
            transposed(
                rolls[int(row)],
                settings.transpose,
                np.random.default_rng([settings.seed, epoch, int(row)]),
            )
            for row in rows
        ]
        return batch_of(Sequences.of(moved, COLUMNS), np.arange(len(rows)))

    return Buckets(rolls.lengths, make, own, settings.seed)


def _objective(_: PolyphonicSettings, __: Data) -> Objective:
    def objective(model: nn.Module, batch: StepBatch, _: State | None) -> tuple[Tensor, None]:
        return loss_of(model, batch), None

    return objective


TASK = Task(
    outline=OUTLINE,
    unit="steps",
    read=read,
    build=_build,
    source=_source,
    objective=_objective,
    loss=lambda model, settings, data: part_loss(model, data.valid),
    preprocess_from=Keys.from_plain,
    evaluate=evaluate,
    asking=AskingSettings,
    predict=predict,
    judging=AskingSettings,
    read_part=lambda _, judging: _part(judging),
    probe=probe,
)
