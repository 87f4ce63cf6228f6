"""A result: what a run came to."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from engram.records.record import Record
from engram.records.report import Report


@dataclass(frozen=True)
class Result(Record):
    """What a run came to; a run that has one is finished.

    Attributes:
        updates: Of the weights, in all.
        parameters: How many numbers the model learns.
        valid_loss: The lowest validation loss; None without a validation part.
        best_update: The update at which it was measured.
        reports: How good the model is on each part that was held out: ``valid``, ``test``.
    """

    name: ClassVar[str] = "result"

    updates: int
    parameters: int
    valid_loss: float | None
    best_update: int
    reports: dict[str, Report] = field(default_factory=dict)

    @classmethod
    def upgraded(cls, fields: dict[str, Any], version: int) -> dict[str, Any]:
        """From version 0, which had measures by part, or a language model's by a name each."""
        if version > 0:
            return fields
        kept = {n: fields[n] for n in ("updates", "parameters", "valid_loss", "best_update")}
        reports = {n: {"measures": fields[n]} for n in ("valid", "test") if n in fields}
        if "test_loss" in fields:
            bits = fields["test_bits_per_character"]
            measures = {"loss": fields["test_loss"], "bits per character": bits}
            reports["test"] = {"measures": measures}
        return kept | {"reports": reports}
