"""Polyphonic music, as it is typed and set."""

from pydantic import Field

from engram.data.settings import BucketSettings
from engram.models.settings import RecurrentSettings
from engram.settings import Settings
from engram.tasks.outlines.outline import Outline
from engram.tasks.outlines.penalty_faults import penalty_faults
from engram.training.settings import TrainingSettings


class RollSettings(Settings):
    """Which pieces are read."""

    data: str = Field(description="a .mat or .json file of piano rolls with its parts")


class TranspositionSettings(Settings):
    """How pieces are changed in training."""

    transpose: int = Field(
        0,
        ge=0,
        le=12,
        description="transpose each piece by up to this number of keys, at random in each epoch",
    )


class PolyphonicSettings(
    RollSettings, TranspositionSettings, BucketSettings, RecurrentSettings, TrainingSettings
):
    """Everything that can be set for training on piano rolls."""

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        return super().contradictions() + penalty_faults(self)


OUTLINE = Outline(
    name="polyphonic",
    summary="predict the next notes of polyphonic music",
    settings=PolyphonicSettings,
    groups={
        "data": RollSettings,
        "augmentation": TranspositionSettings,
        "batches": BucketSettings,
        "model": RecurrentSettings,
        "training": TrainingSettings,
    },
    help=(
        "  engram train polyphonic --data JSB_Chorales.mat --config chorales --run-dir runs/jsb\n"
        "  engram eval runs/jsb --data Nottingham.mat"
    ),
)
