"""The generator of an update: the same for the same seed, whatever ran before."""

import hashlib

import torch


def generator_for(seed: int, update: int) -> torch.Generator:
    """Make the generator that augments the data of one update.

    Args:
        seed: Of the run.
        update: Number of the update, or of anything else that has its own draw.
    """
    digest = hashlib.blake2b(f"augmentation {seed} {update}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
