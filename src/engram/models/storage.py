"""The model folder: all that prediction needs, as safetensors and JSON; nothing is unpickled."""

from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from engram.errors import RunError
from engram.files import copy_atomically, read_json, write_atomically, write_json

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
PREPROCESS = "preprocess.json"


def save_description(folder: Path, config: dict[str, Any], preprocess: dict[str, Any]) -> None:
    """Write what does not change while a model trains: its settings and its preprocessing.

    Raises:
        RunError: Where the folder cannot be written.
    """
    write_json(folder / CONFIG, config)
    write_json(folder / PREPROCESS, preprocess)


def save_weights(folder: Path, weights: dict[str, Tensor]) -> None:
    """Write a model's ``state_dict``, atomically.

    Raises:
        RunError: Where the folder cannot be written.
    """
    write_atomically(folder / WEIGHTS, safetensors.torch.save(_without_shared(weights)))


def load_description(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read settings and preprocessing, as `save_description` wrote them.

    Raises:
        RunError: Where there is no model, or it is damaged.
    """
    if not (folder / CONFIG).exists():
        raise RunError(f"{folder} holds no model ({CONFIG} is missing); name a run that trained")
    config, preprocess = read_json(folder / CONFIG), read_json(folder / PREPROCESS)
    for name, value in {CONFIG: config, PREPROCESS: preprocess}.items():
        if not isinstance(value, dict):
            raise RunError(f"{folder / name} is damaged: it holds no names and values; restore it")
    return config, preprocess


def copy_model(source: Path, target: Path) -> None:
    """Give the files of a model folder a second place; see `copy_atomically`.

    Raises:
        RunError: Where it cannot be written.
    """
    for name in (CONFIG, PREPROCESS, WEIGHTS):
        copy_atomically(source / name, target / name)


def has_weights(folder: Path) -> bool:
    """Whether a model folder holds weights, which are written last."""
    return (folder / WEIGHTS).exists()


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read weights by their names.

    Raises:
        RunError: Where they are missing or damaged.
    """
    path = folder / WEIGHTS
    if not path.exists():
        raise RunError(
            f"{folder} holds no weights yet ({WEIGHTS} is missing); "
            "let the run go on with 'engram resume' until its first evaluation"
        )
    try:
        return safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} is damaged ({error}); restore it") from None


def load_weights(folder: Path, model: nn.Module) -> None:
    """Read weights into a model.

    Raises:
        RunError: Where they are missing or damaged, or belong to another model.
    """
    weights = read_weights(folder)
    expected = _shapes(_without_shared(model.state_dict()))
    found = _shapes(weights)
    if found != expected:
        lacking = sorted(expected - found)
        unexpected = sorted(found - expected)
        raise RunError(
            f"{folder / WEIGHTS} is of another model: it lacks {', '.join(lacking) or 'nothing'}, "
            f"and has {', '.join(unexpected) or 'nothing'} too many; restore it"
        )
    model.load_state_dict(weights, strict=False)  # weights that are shared stand there once


def _shapes(weights: dict[str, Tensor]) -> set[str]:
    return {f"{name} {tuple(tensor.shape)}" for name, tensor in weights.items()}


def _without_shared(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights that share memory, once: safetensors stores no tensor under two names."""
    seen: set[int] = set()
    kept = {}
    for name, tensor in weights.items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            kept[name] = tensor.detach().contiguous()
    return kept
