"""Settings that tasks which write texts share."""

from typing import Literal

from pydantic import Field

from engram.settings import Settings


class TokenSettings(Settings):
    """How texts become tokens."""

    tokens: Literal["characters", "bytes", "words", "bpe"] = Field(
        "characters", description="what the model reads and writes one at a time"
    )
    vocabulary: int = Field(10_000, ge=2, description="most entries of words or bpe")


class HeldOutSettings(Settings):
    """What is held out of the data."""

    valid: float = Field(
        0.05, ge=0.0, lt=1.0, description="share of the examples, drawn by the seed, to validate"
    )
    test: float = Field(0.05, ge=0.0, lt=1.0, description="share of the examples to test once")
    valid_data: list[str] = Field([], description="files to validate on, in place of a share")
    test_data: list[str] = Field([], description="files to test on, in place of a share")

    def contradictions(self) -> list[str]:
        """What does not go together, a sentence each."""
        faults = super().contradictions()
        if self.valid + self.test >= 1.0:
            faults.append(
                f"valid={self.valid} and test={self.test} leave nothing to train on; lower them"
            )
        return faults


class TeacherSettings(Settings):
    """What the decoder reads in training."""

    scheduled_sampling: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="share of previous tokens that the model draws itself, in the last epoch; it "
        "rises from 0 in the first (step by step, so slower)",
    )
