"""Starting from a trained model: its encoding and its weights, under a head of another task."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from engram.data.encoding import Encoding, TextEncoding, encoding_from_plain
from engram.data.tokens import tokenizer_from_plain
from engram.errors import ConfigError, DataError, RunError
from engram.models.storage import CONFIG, load_description, read_weights
from engram.settings import Settings
from engram.training.run_folder import RunFolder
from engram.training.settings import TrainingSettings

RATE_SHARE = 0.5
"""The default rate, as a share of the first training's: weights that are good already move less."""

OWN = ("freeze", "rates", "rate_decay", "unfreeze_every")
"""Settings that belong to one training, and go back to their defaults."""

# What the weights of recurrent layers have decided.
SHAPE = ("cell", "hidden", "layers", "residual", "learn_initial_state")


class StartSettings(Settings):
    """Whether training starts from a trained model."""

    start: str | None = Field(
        None,
        description="run or model folder whose encoding and weights the training starts from, such "
        "as one of a language model; the head begins anew where it is for other answers",
    )


@dataclass(frozen=True)
class Start:
    """What is taken over from a trained model.

    Attributes:
        folder: Of the model.
        task: Its name.
        encoding: How its inputs became numbers.
        settings: Of its training.
        preprocess: As it is stored.
    """

    folder: Path
    task: str
    encoding: Encoding
    settings: dict[str, Any]
    preprocess: dict[str, Any]


def model_folder(given: str) -> Path:
    """The model folder of a run, or the folder itself where it is one."""
    path = Path(given)
    return path if (path / CONFIG).exists() else RunFolder.open(path).model


def read_start(given: str) -> Start:
    """Read a trained model whose inputs are texts or values, but for its weights.

    Raises:
        RunError: Where it is missing, damaged, or reads neither.
    """
    folder = model_folder(given)
    config, plain = load_description(folder)
    try:
        if "tokenizer" in plain:
            tokenizer = tokenizer_from_plain(plain["tokenizer"])
            encoding: Encoding = TextEncoding(tokenizer, False, None)
        else:
            encoding = encoding_from_plain(plain.get("inputs"))
    except DataError:
        raise RunError(
            f"{folder} holds a model of task {config.get('task')!r}, whose inputs this task does "
            "not read; start from one of texts, or of the same columns"
        ) from None
    settings = dict(config.get("settings") or {})
    return Start(folder, str(config.get("task")), encoding, settings, plain)


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
    return values | {"rate": rate, "start": str(start.folder.absolute())}


def known_encoding(settings: StartSettings) -> Encoding | None:
    """The encoding that a training takes over, or None."""
    return None if settings.start is None else read_start(settings.start).encoding


@torch.no_grad()
def adopt(start: Start, model: nn.Module, preprocess: dict[str, Any]) -> list[str]:
    """Put the trained weights into a model; its head only where it gives the same answers.

    Args:
        start: The trained model.
        model: Changed in place.
        preprocess: Of the model, as it is stored: answers are the same where all of it is.

    Returns:
        Names of the weights that begin anew.

    Raises:
        ConfigError: Where recurrent layers or the embedding have other shapes; nothing is changed.
        RunError: Where the weights are missing or damaged.
    """
    weights = read_weights(start.folder)
    same = preprocess == start.preprocess
    anew, faults = [], []
    taken: dict[str, Tensor] = {}
    for name, own in model.state_dict().items():
        given = weights.get(name)
        if name.startswith("head.") and not same:
            anew.append(name)
        elif given is not None and given.shape == own.shape:
            taken[name] = given
        elif name.startswith(("layers.", "embedding.")):
            has = "not there" if given is None else tuple(given.shape)
            faults.append(f"{name} is {has}, not {tuple(own.shape)}")
        else:
            anew.append(name)
    if faults:
        shown = ", ".join(f"{key} {start.settings[key]}" for key in SHAPE if key in start.settings)
        raise ConfigError(
            f"the weights of {start.folder} do not fit the settings: {'; '.join(faults[:4])}; its "
            f"layers are {shown}: use these, with its --embedding and direction"
        )
    model.load_state_dict(taken, strict=False)
    return anew
