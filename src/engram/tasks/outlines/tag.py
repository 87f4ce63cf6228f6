"""Tagging, as it is typed and set."""

from pydantic import Field

from engram.data.settings import BucketSettings, TagReadingSettings, ValueSettings
from engram.models.settings import TaggerSettings
from engram.tasks.outlines.outline import Outline
from engram.tasks.outlines.penalty_faults import penalty_faults
from engram.tasks.outlines.split import SplitSettings
from engram.training.settings import LabelSmoothing, TrainingSettings


class PartSettings(SplitSettings, TagReadingSettings):
    """Which data are read, and what is held out of them."""


class InputSettings(ValueSettings):
    """How words and values become numbers."""

    vocabulary: int = Field(50_000, ge=1, description="words: vocabulary size")
    least: int = Field(
        2, ge=1, description="words: least number of occurrences to enter the vocabulary"
    )


class TagSettings(
    PartSettings, InputSettings, BucketSettings, TaggerSettings, LabelSmoothing, TrainingSettings
):
    """Everything that can be set for training a tagger."""

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        return super().contradictions() + penalty_faults(self)


OUTLINE = Outline(
    name="tag",
    summary="predict a tag for each word of a sentence, or each step of a series",
    settings=TagSettings,
    groups={
        "data": PartSettings,
        "inputs": InputSettings,
        "batches": BucketSettings,
        "model": TaggerSettings,
        "labels": LabelSmoothing,
        "training": TrainingSettings,
    },
    help=(
        "  engram train tag --data train.conll --valid-data dev.conll --run-dir runs/names\n"
        "  engram train tag --data en_ewt-ud-train.conllu --tags upos\n"
        "  engram train tag --data steps.jsonl --words values --tags tags"
    ),
)
