"""The environment: what a run depends on apart from its settings."""

from dataclasses import dataclass
from typing import ClassVar

from engram.records.record import Record


@dataclass(frozen=True)
class Environment(Record):
    """What a run depends on apart from its settings.

    Attributes:
        engram, python, torch: Their versions.
        platform: The operating system.
        cpu: The processor.
        cores: Their number; None where the system does not tell.
        threads: Threads of torch.
        executable: The name of the interpreter.
    """

    name: ClassVar[str] = "environment"

    engram: str
    python: str
    torch: str
    platform: str
    cpu: str
    cores: int | None
    threads: int
    executable: str
