"""Model folders as earlier versions wrote them."""

from pathlib import Path

from safetensors.torch import load_file, save_file


def without_digests(folder: Path) -> None:
    """Take the digests out of a model folder, so that what describes it may be changed."""
    path = Path(folder) / "model.safetensors"
    save_file(load_file(path), path)
