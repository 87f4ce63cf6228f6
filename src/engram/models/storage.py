"""The model folder: everything needed for prediction, as safetensors and JSON, without pickle.

The weights file stores a digest of its tensors and one of the two files that describe them, so
changes on disk are detected before anything is built from them.
"""

import hashlib
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from engram.errors import RunError
from engram.files import cannot, copy_atomically, read_json, write_atomically, write_json

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
PREPROCESS = "preprocess.json"
_DIGESTS = "digests"


def save_description(folder: Path, config: dict[str, Any], preprocess: dict[str, Any]) -> None:
    """Write what does not change during training: settings and preprocessing.

    Raises:
        RunError: If the folder cannot be written.
    """
    write_json(folder / CONFIG, config)
    write_json(folder / PREPROCESS, preprocess)


def save_weights(folder: Path, weights: dict[str, Tensor]) -> None:
    """Write a model's ``state_dict``, atomically, after its description.

    Raises:
        RunError: If the folder cannot be written.
    """
    tensors = _without_shared(weights)
    # under one name: safetensors writes several in any order, and equal runs must give equal files
    digests = f"{tensors_digest(tensors)} {_description_digest(folder)}"
    write_atomically(folder / WEIGHTS, safetensors.torch.save(tensors, {_DIGESTS: digests}))


def load_description(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the settings and preprocessing written by `save_description`.

    Raises:
        RunError: If there is no model, or it is damaged or was changed after the weights were
            written.
    """
    if not (folder / CONFIG).exists():
        raise RunError(f"{folder} contains no model ({CONFIG} is missing); name a trained run")
    config, preprocess = read_json(folder / CONFIG), read_json(folder / PREPROCESS)
    for name, value in {CONFIG: config, PREPROCESS: preprocess}.items():
        if not isinstance(value, dict):
            raise RunError(
                f"{folder / name} is damaged: it is not an object of names and values; restore it"
            )
    if has_weights(folder):
        digests = _open(folder / WEIGHTS)[1]
        if digests and digests[1] != _description_digest(folder):
            raise RunError(
                f"{folder / CONFIG} or {PREPROCESS} was changed after the weights were saved; "
                "restore them, or train again"
            )
    return config, preprocess


def copy_model(source: Path, target: Path) -> None:
    """Copy the files of a model folder; see `copy_atomically`.

    Raises:
        RunError: If it cannot be written.
    """
    for name in (CONFIG, PREPROCESS, WEIGHTS):
        copy_atomically(source / name, target / name)


def has_weights(folder: Path) -> bool:
    """Whether a model folder contains weights, which are written last."""
    return (folder / WEIGHTS).exists()


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read weights by name.

    Raises:
        RunError: If they are missing or damaged.
    """
    path = folder / WEIGHTS
    if not path.exists():
        raise RunError(
            f"{folder} contains no weights yet ({WEIGHTS} is missing); "
            "continue the run with 'engram resume' until its first evaluation"
        )
    tensors, digests = _open(path, read=True)
    if digests and digests[0] != tensors_digest(tensors):
        raise RunError(f"{path} is damaged (its digest does not match its tensors); restore it")
    return tensors


def load_weights(folder: Path, model: nn.Module) -> None:
    """Read weights into a model.

    Raises:
        RunError: If they are missing or damaged, or belong to another model.
    """
    weights = read_weights(folder)
    expected = _shapes(_without_shared(model.state_dict()))
    found = _shapes(weights)
    if found != expected:
        lacking = sorted(expected - found)
        unexpected = sorted(found - expected)
        raise RunError(
            f"{folder / WEIGHTS} belongs to another model: "
            f"missing: {', '.join(lacking) or 'none'}, "
            f"unexpected: {', '.join(unexpected) or 'none'}; restore it"
        )
    model.load_state_dict(weights, strict=False)  # shared weights are stored once


def tensors_digest(tensors: dict[str, Tensor], text: str = "") -> str:
    """A digest of named tensors and of a text that belongs to them."""
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _description_digest(folder: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in (CONFIG, PREPROCESS):
        path = folder / name
        try:
            digest.update(path.read_bytes() if path.exists() else b"")
        except OSError as error:
            raise RunError(cannot("read", path, error)) from error
    return digest.hexdigest()


def _open(path: Path, *, read: bool = False) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of a file, if they are to be read, and its digests; older files have none."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            names = file.keys() if read else []
            tensors = {name: file.get_tensor(name) for name in names}
            digests = (file.metadata() or {}).get(_DIGESTS)
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} is damaged ({error}); restore it") from None
    if digests is not None and digests.count(" ") != 1:
        raise RunError(f"{path} is damaged (it does not have two digests); restore it")
    return tensors, [] if digests is None else digests.split(" ")


def _shapes(weights: dict[str, Tensor]) -> set[str]:
    return {f"{name} {tuple(tensor.shape)}" for name, tensor in weights.items()}


def _without_shared(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keep shared weights once: safetensors does not store a tensor under two names."""
    seen: set[int] = set()
    kept = {}
    for name, tensor in weights.items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            kept[name] = tensor.detach().contiguous()
    return kept
