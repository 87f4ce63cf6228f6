"""Settings that tasks which write texts share."""

from typing import Literal

from pydantic import Field

from engram.settings import Settings


class TokenSettings(Settings):
    """How texts become tokens."""

    tokens: Literal["characters", "bytes", "words", "bpe"] = Field(
        "characters", description="unit of a token"
    )
    vocabulary: int = Field(10_000, ge=2, description="vocabulary size, for words or bpe")


class HeldOutSettings(Settings):
    """What is held out of the data."""

    valid: float = Field(
        0.05,
        ge=0.0,
        lt=1.0,
        description="fraction of the examples for validation, drawn by the seed",
    )
    test: float = Field(
        0.05, ge=0.0, lt=1.0, description="fraction of the examples for the final test"
    )
    valid_data: list[str] = Field([], description="files to validate on, instead of a fraction")
    test_data: list[str] = Field([], description="files to test on, instead of a fraction")

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        faults = super().contradictions()
        if self.valid + self.test >= 1.0:
            faults.append(
                f"valid={self.valid} and test={self.test} leave no data to train on; lower them"
            )
        return faults


class TeacherSettings(Settings):
    """What the decoder reads in training."""

    scheduled_sampling: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="scheduled sampling: fraction of previous tokens that the model samples itself "
        "in the last epoch, rising from 0 in the first (runs step by step, so slower)",
    )
