"""Checkpoints: one file each, with a digest, and the one before kept beside it.

A checkpoint is a safetensors file: tensors by name, and everything else as JSON in its metadata.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from engram.errors import RunError
from engram.files import copy_atomically, write_atomically
from engram.models.storage import tensors_digest

FILE = "state.safetensors"
PREVIOUS = "previous.safetensors"
_FACTS = "digest and facts"


@dataclass(frozen=True)
class Checkpoint:
    """Everything that training needs to resume bit for bit.

    Attributes:
        tensors: Weights, best weights, optimiser, carried state and random generators, by name.
        facts: Cursor, sums, best loss and the like, as JSON values.
    """

    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    def group(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names start with ``prefix.``, without it."""
        start = prefix + "."
        return {k[len(start) :]: v for k, v in self.tensors.items() if k.startswith(start)}


def save_checkpoint(folder: Path, checkpoint: Checkpoint, best: Path | None = None) -> None:
    """Write a checkpoint into a folder; the one that stood there becomes the previous one.

    Args:
        folder: Where training goes on from.
        checkpoint: What is written.
        best: A folder that gets it too, and first: a training that is killed between the two goes
            on from the one before, and comes to the best one again.

    Raises:
        RunError: If it cannot be written; what stood there still stands.
    """
    tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}
    facts = json.dumps(checkpoint.facts, sort_keys=True)
    # under one name, as safetensors writes several in any order, and equal runs are equal files
    written = f"{tensors_digest(tensors, facts)} {facts}"
    content = safetensors.torch.save(tensors, {_FACTS: written})
    path = folder / FILE
    if best is not None:
        write_atomically(best / FILE, content)
    if path.exists():
        copy_atomically(path, folder / PREVIOUS)  # so at no moment is there none that can be read
    if best is not None:
        copy_atomically(best / FILE, path)
    else:
        write_atomically(path, content)


def load_checkpoint(folder: Path) -> tuple[Checkpoint | None, str | None]:
    """Read the newest checkpoint of a folder that is whole.

    Returns:
        The checkpoint, or None where none was ever written; and, where the newest one is damaged
        and the previous one was taken, a sentence that says so.

    Raises:
        RunError: If there are checkpoints, and none of them is whole.
    """
    faults = []
    for name in (FILE, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            checkpoint = _read(path)
        except RunError as error:
            faults.append(str(error))
            continue
        notice = f"{faults[0]}; the previous one is used" if faults else None
        return checkpoint, notice
    if faults:
        raise RunError(f"{'; '.join(faults)}; start again with 'engram train … --overwrite'")
    return None, None


def _read(path: Path) -> Checkpoint:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if _FACTS in metadata:
            digest, _, facts = metadata[_FACTS].partition(" ")
        else:  # of an earlier version
            digest, facts = metadata["digest"], metadata["facts"]
        whole = digest == tensors_digest(tensors, facts)
        plain = json.loads(facts)
    except (SafetensorError, KeyError, OSError, ValueError, RecursionError) as error:
        raise RunError(f"checkpoint {path} is damaged ({error})") from None
    if not whole:
        raise RunError(f"checkpoint {path} is damaged (its digest does not match its content)")
    if not isinstance(plain, dict):
        raise RunError(f"checkpoint {path} is damaged (its facts are not a mapping)")
    return Checkpoint(tensors, plain)
