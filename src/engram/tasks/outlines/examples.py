"""Settings that tasks with one answer for each text or series share."""

from pydantic import Field

from engram.data.settings import (
    BucketSettings,
    EncodingSettings,
    ImageAugmentation,
    ImageSettings,
    ReadingSettings,
    SeriesAugmentation,
    SoundAugmentation,
    SoundSettings,
    TokenAugmentation,
)
from engram.models.settings import ManyToOneSettings
from engram.settings import Settings
from engram.tasks.outlines.penalty_faults import penalty_faults
from engram.tasks.outlines.start import StartSettings
from engram.training.settings import TrainingSettings


class SplitSettings(Settings):
    """What is held out of the data."""

    valid: float = Field(
        0.1,
        ge=0.0,
        lt=1.0,
        description="fraction of the examples for validation, drawn by the seed",
    )
    test: float = Field(
        0.0, ge=0.0, lt=1.0, description="fraction of the examples for the final test"
    )
    valid_data: list[str] = Field([], description="files to validate on, instead of a fraction")
    test_data: list[str] = Field([], description="files to test on, instead of a fraction")

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        faults = super().contradictions()
        for part in ("valid", "test"):
            files, share = getattr(self, f"{part}_data"), getattr(self, part)
            if files and part in self.model_fields_set and share:
                faults.append(
                    f"{part}={share} takes a fraction of --data, but {part}_data names files; "
                    "give only one of them"
                )
        return faults


class PartSettings(SplitSettings, ReadingSettings):
    """Which data are read, and what is held out of them."""


class ExampleSettings(
    PartSettings,
    StartSettings,
    EncodingSettings,
    SoundSettings,
    ImageSettings,
    TokenAugmentation,
    SeriesAugmentation,
    SoundAugmentation,
    ImageAugmentation,
    BucketSettings,
    ManyToOneSettings,
    TrainingSettings,
):
    """Everything that can be set for training a model with one answer for each sequence."""

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        return super().contradictions() + penalty_faults(self)


GROUPS: dict[str, type[Settings]] = {
    "data": PartSettings,
    "start": StartSettings,
    "inputs": EncodingSettings,
    "sounds": SoundSettings,
    "images": ImageSettings,
    "augmentation of texts": TokenAugmentation,
    "augmentation of values": SeriesAugmentation,
    "augmentation of sounds": SoundAugmentation,
    "augmentation of images": ImageAugmentation,
    "batches": BucketSettings,
    "model": ManyToOneSettings,
    "training": TrainingSettings,
}
