"""Synthetic problems: what the literature tests memory with, made on the fly."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from engram.data.batching.seeds import seed_of
from engram.errors import DataError
from engram.models.aligned import Aligned
from engram.models.evaluating import evaluating
from engram.models.many_to_many import State
from engram.records import Report
from engram.settings import Settings
from engram.tasks.outlines.synthetic import OUTLINE, ProblemSettings, SyntheticSettings
from engram.tasks.probe import CONTEXTS, ROWS, Probe, Single
from engram.tasks.problems import PROBLEMS
from engram.tasks.problems.problem import Draw, Examples, Problem
from engram.tasks.task import Data, Task, Trained
from engram.training.device import device_of
from engram.training.evaluation import mean_loss
from engram.training.source import Objective

# What is drawn for what, so that no part holds examples of another.
_TRAIN, _VALID, _TEST, _FRESH = range(4)
_STEPS_AT_ONCE = 100_000  # of all sequences that are answered side by side, but for one alone


@dataclass(frozen=True)
class Sizes:
    """Numbers of a step, and of an answer."""

    inputs: int
    outputs: int

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        return {"inputs": self.inputs, "outputs": self.outputs}

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> "Sizes":
        """Undo `plain`.

        Raises:
            DataError: For anything else.
        """
        numbers = list(value.values())
        if set(value) != {"inputs", "outputs"} or not all(
            type(number) is int and number > 0 for number in numbers
        ):
            raise DataError(f"the sizes are {value}; they must be two whole numbers")
        return cls(**value)


@dataclass(frozen=True)
class Drawn:
    """Fresh examples for each update; see `training.source.Source`.

    What a batch holds follows from seed, epoch and its number.
    """

    draw: Draw
    batch: int
    updates: int
    tokens_per_update: int
    seed: int

    def updates_in(self, epoch: int) -> int:
        """Batches of this epoch: as many as of any."""
        return self.updates

    def batches(self, epoch: int, first: int = 0) -> Iterator[Examples]:
        """The batches of an epoch, from the given one on."""
        for number in range(first, self.updates):
            yield self.draw(self.batch, _generator(self.seed, _TRAIN, epoch, number))


def read(settings: SyntheticSettings) -> Data:
    """Draw the validation and the test part; the training part is drawn update by update.

    Raises:
        ConfigError: For a length that is too short for the problem.
    """
    problem = PROBLEMS[settings.problem]
    valid = _part(settings, settings.seed, _VALID, settings.valid_sequences)
    test = _part(settings, settings.seed, _TEST, settings.test_sequences)
    draw = problem.drawing(settings, seed_of(settings.seed, _TRAIN))
    first = draw(1, _generator(settings.seed, _TRAIN))
    digest = hashlib.blake2b(digest_size=16)
    for part in (first, valid, test):
        digest.update(part.inputs.numpy().tobytes() + part.targets.numpy().tobytes())
    about = [
        f"{settings.problem}: {_lengths(test)} steps; {settings.batch:,} new sequences per update",
        f"{settings.valid_sequences:,} sequences to validate, {settings.test_sequences:,} to test",
    ]
    return Data(draw, valid, test, Sizes(*problem.sizes(settings)), digest.hexdigest(), about)


def _part(settings: ProblemSettings, seed: int, part: int, count: int) -> Examples:
    draw = PROBLEMS[settings.problem].drawing(settings, seed_of(seed, part))
    return draw(count, _generator(seed, part))


def _generator(*numbers: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed_of(*numbers))


def _lengths(examples: Examples) -> str:
    if examples.lengths is None:
        return f"{len(examples.inputs):,}"
    return f"{int(examples.lengths.min()):,} to {int(examples.lengths.max()):,}"


def outputs_of(model: nn.Module, problem: Problem, examples: Examples) -> Tensor:
    """What the model says: ``(B, O)`` at the end, or ``(T, B, O)`` at all steps."""
    outputs, _ = model(examples.inputs, examples.lengths)
    return outputs[-1] if problem.at_end else outputs


@torch.inference_mode()
def outputs_for(model: nn.Module, problem: Problem, examples: Examples) -> Tensor:
    """The same of any number of sequences, some at a time, on the CPU; dropout is off."""
    device = device_of(model)
    with evaluating(model):
        parts = [outputs_of(model, problem, part.to(device)).cpu() for part in _parts(examples)]
    return torch.cat(parts, dim=0 if problem.at_end else 1)


def _parts(examples: Examples) -> Iterator[Examples]:
    count = max(1, _STEPS_AT_ONCE // len(examples.inputs))
    for start in range(0, examples.size, count):
        yield examples.of_rows(slice(start, start + count))


def part_loss(model: nn.Module, settings: SyntheticSettings, part: Examples) -> float:
    """The loss of all examples of a part; see `mean_loss`."""
    problem = PROBLEMS[settings.problem]

    def loss(some: Examples) -> tuple[Tensor, float]:
        return problem.loss(outputs_of(model, problem, some), some) * some.terms, some.terms

    return mean_loss(model, _parts(part), loss)


def evaluate(trained: Trained, part: Examples) -> Report:
    """The problem's own measures."""
    problem = PROBLEMS[trained.settings.problem]
    outputs = outputs_for(trained.model, problem, part)
    return Report(problem.measures(outputs, part) | {"sequences": part.inputs.shape[1]})


def probe(trained: Trained, part: Examples) -> Probe:
    """Single losses of sequences; where every step is answered, that of each row's last one.

    Of such rows all losses are given, and the gradient is that of the last step's output alone.
    """
    problem = PROBLEMS[trained.settings.problem]
    rows = min(ROWS, part.inputs.shape[1])

    def losses(model: nn.Module, some: slice, context: int | None) -> Single:
        here = part.to(device_of(model))
        own = [here.of_rows(slice(row, row + 1)) for row in range(rows)[some]]
        whole = here.of_rows(slice(*some.indices(rows)))
        if context is not None:
            whole = Examples(whole.inputs[-context:], whole.targets, None)
        outputs = outputs_of(model, problem, whole)
        if not problem.at_end:
            outputs = _last_alone(outputs, whole.lengths)
        axis = 0 if problem.at_end else 1
        each = outputs.split(1, dim=axis)
        loss = [problem.loss(o, example) for o, example in zip(each, own, strict=True)]
        return Single(torch.stack(loss))

    even = part.lengths is None and problem.at_end
    longest = max((c for c in CONTEXTS if c <= len(part.inputs)), default=0) if even else 0
    return Probe(losses, rows, longest, "steps")


def _last_alone(outputs: Tensor, lengths: Tensor | None) -> Tensor:
    """The same outputs ``(T, B, O)``, with a gradient at each row's last step alone."""
    last = len(outputs) if lengths is None else lengths
    there = torch.arange(len(outputs), device=outputs.device).unsqueeze(1) == last - 1
    return torch.where(there.unsqueeze(2), outputs, outputs.detach())


class JudgingSettings(Settings):
    """What fresh sequences are measured."""

    sequences: int = Field(2560, ge=1, description="number of sequences to draw")
    length: int | None = Field(None, ge=1, description="sequence length; default as in training")
    seed: int = Field(
        0, ge=0, lt=1 << 63, description="seed of the draw, independent of the training data"
    )


class AskingSettings(JudgingSettings):
    """What is predicted."""

    sequences: int = Field(10, ge=1, description="number of sequences to draw")


def fresh(trained: Trained, given: JudgingSettings) -> Examples:
    """Sequences that belong to no part of any training.

    Raises:
        ConfigError: For a length that the problem does not have.
    """
    settings: SyntheticSettings = trained.settings
    if given.length is not None:
        settings = settings.model_copy(update={"length": given.length})
        settings.require_consistent()
    return _part(settings, given.seed, _FRESH, given.sequences)


def predict(trained: Trained, asking: AskingSettings) -> Iterator[dict[str, Any]]:
    """For each fresh sequence what was asked, what was wanted, and what the model says."""
    problem = PROBLEMS[trained.settings.problem]
    examples = fresh(trained, asking)
    yield from problem.rows(outputs_for(trained.model, problem, examples), examples)


def _source(settings: SyntheticSettings, data: Data) -> Drawn:
    steps: int = data.valid.count // data.valid.inputs.shape[1]
    return Drawn(
        data.train, settings.batch, settings.epoch_updates, steps * settings.batch, settings.seed
    )


def _objective(settings: SyntheticSettings, _: Data) -> Objective:
    problem = PROBLEMS[settings.problem]

    def objective(model: nn.Module, batch: Examples, _: State | None) -> tuple[Tensor, None]:
        return problem.loss(outputs_of(model, problem, batch), batch), None

    return objective


TASK = Task(
    outline=OUTLINE,
    unit="steps",
    loss_unit="(nats, or squared error)",
    read=read,
    build=lambda settings, sizes: Aligned(sizes.inputs, sizes.outputs, settings),
    source=_source,
    objective=_objective,
    loss=lambda model, settings, data: part_loss(model, settings, data.valid),
    preprocess_from=Sizes.from_plain,
    evaluate=evaluate,
    asking=AskingSettings,
    predict=predict,
    judging=JudgingSettings,
    read_part=fresh,
    probe=probe,
)
