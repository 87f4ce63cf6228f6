"""Outline: what a task is called, what it does and what can be set for it, without its code."""

from collections.abc import Mapping
from dataclasses import dataclass

from engram.settings import Settings


@dataclass(frozen=True)
class Outline:
    """What the command line says of a task before it loads torch.

    Attributes:
        name: As it is typed.
        summary: What it does, in a line.
        settings: Everything that can be set for its training.
        groups: The same by heading, for flags.
        help: Commands to start from, one line each.
        names: The setting that says what is trained on.
    """

    name: str
    summary: str
    settings: type[Settings]
    groups: Mapping[str, type[Settings]]
    help: str
    names: str = "data"

    @property
    def starts(self) -> bool:
        """Whether training can start from a trained model."""
        return "start" in self.settings.model_fields
