"""Transfer: what a training takes over from a trained model: its encoding, settings and weights."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engram.data.labelled.encoding import Encoding, TextEncoding, encoding_from_plain
from engram.data.text.tokens import Tokenizer, shared_numbers, tokenizer_from_plain
from engram.errors import ConfigError, DataError, RunError
from engram.models.regions import places
from engram.models.storage import CONFIG, load_description, read_weights
from engram.settings import Settings
from engram.tasks.origin import origin_of, require_task_of
from engram.tasks.outlines.start import OWN, RATE_SHARE, SHAPE, StartSettings
from engram.tasks.task import Trained
from engram.training.groups import tuning_of
from engram.training.run_folder import RunFolder
from engram.training.settings import TrainingSettings


@dataclass(frozen=True)
class Start:
    """What is taken over from a trained model.

    Attributes:
        name: What it is called in messages: its folder.
        task: The name of its task.
        encoding: How its inputs became numbers.
        settings: Of its training.
        preprocess: As it is stored.
        weights: Reads its ``state_dict``.
    """

    name: str
    task: str
    encoding: Encoding
    settings: dict[str, Any]
    preprocess: dict[str, Any]
    weights: Callable[[], dict[str, Tensor]]

    @classmethod
    def of(cls, trained: Trained) -> "Start":
        """A trained model in memory.

        Raises:
            RunError: If its inputs are neither texts nor values.
        """
        plain = trained.preprocess.plain()
        encoding = _encoding(plain, "the trained model", trained.task)
        settings = trained.settings.plain()
        name = "the trained model"
        return cls(name, trained.task, encoding, settings, plain, trained.model.state_dict)

    @property
    def tokenizer(self) -> Tokenizer | None:
        """Its tokenizer, where it reads texts."""
        return self.encoding.tokenizer if isinstance(self.encoding, TextEncoding) else None


def model_folder(given: str) -> Path:
    """The model folder of a run, or the folder itself where it is one."""
    path = Path(given)
    return path if (path / CONFIG).exists() else RunFolder.open(path).model


def read_start(given: str) -> Start:
    """Read a trained model whose inputs are texts or values; its weights are read when asked for.

    Raises:
        RunError: If it is missing, damaged, or reads neither.
    """
    folder = model_folder(given)
    config, plain = load_description(folder)
    task = origin_of(config)
    require_task_of(task, folder, folder)
    encoding = _encoding(plain, str(folder), task)
    settings = dict(config.get("settings") or {})
    return Start(str(folder), task, encoding, settings, plain, partial(read_weights, folder))


def _encoding(plain: dict[str, Any], name: str, task: str) -> Encoding:
    try:
        if "tokenizer" in plain:
            return TextEncoding(tokenizer_from_plain(plain["tokenizer"]), False, None)
        return encoding_from_plain(plain.get("inputs"))
    except DataError:
        raise RunError(
            f"{name} contains a model of task '{task}', whose inputs this task does not read; "
            "start from a model of texts, or of the same columns"
        ) from None


def starting_values(task: str, settings: type[Settings], start: Start) -> dict[str, Any]:
    """The defaults of a training that starts from a model: what its weights and encoding decide.

    From a model of the same task all settings are taken over, but for the data and those that
    belong to one training alone. The rate is `RATE_SHARE` of the first one's.

    Args:
        task: Of the new training.
        settings: Its settings.
        start: The trained model.
    """
    before = start.settings
    names = set(before) & set(settings.model_fields)
    names -= {*OWN, "data", "valid_data", "test_data", "start"}
    if task != start.task:
        names &= {*SHAPE, "embedding", "tokens", "vocabulary", "lowercase", "bidirectional"}
    values = {name: before[name] for name in names}
    if "bidirectional" in settings.model_fields:
        values.setdefault("bidirectional", False)  # a language model reads in one direction
    rate = before.get("rate", TrainingSettings().rate) * RATE_SHARE
    return values | {"rate": rate, "start": start.name}


def known_encoding(settings: StartSettings) -> Encoding | None:
    """The encoding that a training takes over, or None."""
    return None if settings.start is None else read_start(settings.start).encoding


@dataclass(frozen=True)
class Adopted:
    """What a model took over.

    Attributes:
        reset: Names of the weights that are re-initialised.
        fresh: Tokens that have no row in the trained model, in its embedding or its head.
        tokens: Tokens of the model; 0 where none of its weights has a row for each.
        unit: What one token is called, in the plural.
        same: Whether what was learnt in addition to weights is the same as the trained model's.
    """

    reset: list[str]
    fresh: int
    tokens: int
    unit: str
    same: bool


def adopt(start: Start, model: nn.Module, preprocess: dict[str, Any]) -> Adopted:
    """Put trained weights into a model.

    Weights that have a row for each token (``by_token`` of the model) get the rows of all tokens
    that both know. A head that has none is taken over only where it gives the same answers.

    Args:
        start: The trained model.
        model: Changed in place.
        preprocess: Of the model, as it is stored: answers are the same where all of it is.

    Raises:
        ConfigError: If recurrent layers or the embedding have other shapes; nothing is changed.
        RunError: If the weights are missing or damaged.
    """
    same = preprocess == start.preprocess
    by_token: set[str] = getattr(model, "by_token", set()) if "tokenizer" in preprocess else set()
    rows: dict[int, int] = {}
    size, unit = 0, ""
    if by_token:
        own = tokenizer_from_plain(preprocess["tokenizer"])
        rows = {} if start.tokenizer is None else shared_numbers(start.tokenizer, own)
        size, unit = own.size, own.unit
    try:
        reset = transfer(start.weights(), model, rows, by_token, head=same or bool(by_token))
    except ConfigError as error:
        shown = ", ".join(f"{key} {start.settings[key]}" for key in SHAPE if key in start.settings)
        raise ConfigError(
            f"the weights of {start.name} do not fit the settings: {error}; its layers are "
            f"{shown}; use the same, with the same --embedding and direction"
        ) from None
    return Adopted(reset, size - len(rows), size, unit, same)


@torch.no_grad()
def transfer(
    weights: Mapping[str, Tensor],
    model: nn.Module,
    rows: Mapping[int, int],
    by_token: Collection[str],
    *,
    head: bool = True,
) -> list[str]:
    """Put trained weights into a model; what is not taken over keeps its initial values.

    Recurrent layers and embedding have to fit; others are taken over where they do.

    Args:
        weights: The ``state_dict`` of the trained model.
        model: Changed in place; shared weights are set once.
        rows: Row of the model by row of the trained one, for what has a row for each token.
        by_token: Names of weights that have a row for each token.
        head: Whether the head is taken over.

    Returns:
        Names of the weights that are re-initialised.

    Raises:
        ConfigError: If weights that have to fit are missing, have other shapes, or have no
            place; nothing is changed.
    """
    stored = model.state_dict()  # which leaves out buffers that are no weights
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    own = {name: tensor for name, tensor in tensors.items() if name in stored}
    taken, reset, faults = [], [], []
    for name, tensor in own.items():
        given = tuple(weights[name].shape) if name in weights else None
        whole = tuple(tensor.shape)
        token = name in by_token
        fits = given is not None and (given[1:] == whole[1:] if token else given == whole)
        if name.startswith("head.") and not head:
            reset.append(name)
        elif fits:
            taken.append(name)
        elif token or name.startswith(("layers.", "embedding.")):
            faults.append(f"{name} is {'not there' if given is None else given}, not {whole}")
        else:
            reset.append(name)
    faults += [
        f"{name} has no counterpart"
        for name in sorted(weights)
        if name not in stored and name.startswith("layers.")
    ]
    if faults:
        raise ConfigError("; ".join(faults[:4]) + ("; …" if len(faults) > 4 else ""))
    before, after = torch.tensor(list(rows)), torch.tensor(list(rows.values()))
    for name in taken:
        if name in by_token:
            own[name][after] = weights[name][before].to(own[name])
        else:
            own[name].copy_(weights[name])
    return reset


def describe_start(start: Start, adopted: Adopted, model: nn.Module, settings: Any) -> list[str]:
    """What a training starts from, and how each region learns, one line each."""
    fresh = f"{adopted.fresh:,} new {adopted.unit}"
    if adopted.tokens and not adopted.same:
        kept = f"{adopted.tokens - adopted.fresh:,} of {adopted.tokens:,} {adopted.unit}"
        rows = f"{kept} keep their rows"
    elif adopted.tokens:
        rows = "the same vocabulary"
    else:
        rows = "all of its weights"
    if adopted.reset:
        rows += f"; {', '.join(adopted.reset)} are re-initialised"
    lines = [f"starting from {start.name}: {rows}"]
    by_token: Collection[str] = getattr(model, "by_token", ()) if adopted.tokens else ()
    regions = {place.region for place in places(model) if place.name in by_token}
    for name, how in tuning_of(model, settings).items():
        if how.begins is None:
            stay = f"; its rows of {fresh} keep their initial values"
            lines.append(f"  {name:<11}frozen{stay if adopted.fresh and name in regions else ''}")
            continue
        when = f" from update {how.begins + 1:,} on" if how.begins else ""
        lines.append(f"  {name:<11}learns at {settings.rate * how.factor:.3g}{when}")
    return lines
