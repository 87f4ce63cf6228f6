"""Settings that tasks with one answer for each text or series share."""

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
from engram.tasks.outlines.split import SplitSettings
from engram.tasks.outlines.start import StartSettings
from engram.training.settings import TrainingSettings


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
