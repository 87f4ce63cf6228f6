"""Captioning, as it is typed and set."""

from typing import Literal

from pydantic import Field

from engram.data.settings import (
    BucketSettings,
    ImageAugmentation,
    InvalidBytes,
    TextTableSettings,
    Tokens,
)
from engram.models.settings import CaptionerSettings, DecodingSettings
from engram.tasks.outlines.outline import Outline
from engram.tasks.outlines.penalty_faults import penalty_faults
from engram.tasks.outlines.split import TextSplitSettings
from engram.tasks.outlines.texts import TeacherSettings, TokenSettings
from engram.training.settings import LabelSmoothing, TrainingSettings

Kind = Literal["images", "classes", "numbers"]


class CaptionsSettings(TextTableSettings):
    """Which captions are read, and what they are about."""

    data: list[str] = Field(
        min_length=1,
        max_length=1,
        description="a folder of images with a table of captions, or the table (CSV, TSV, JSON, "
        "JSON Lines); 'scenes' draws shapes (a folder of that name is ./scenes)",
    )
    columns: list[str] = Field(
        [],
        description="names of the caption column and of the column they describe; default inferred",
        json_schema_extra={"metavar": "COLUMN"},
    )
    broken: Literal["refuse", "skip"] = Field(
        "refuse", description="what to do with an image that cannot be read"
    )
    encoding: str = Field("utf-8", description="encoding of the table")
    errors: InvalidBytes = "strict"


class CaptionPartSettings(TextSplitSettings, CaptionsSettings):
    """Which captions are read, and what is held out of them."""

    about: Kind = Field(
        "images", description="what captions describe: image files, one class, or numbers"
    )
    height: int = Field(32, ge=1, description="height to resize images to, in pixels")
    width: int = Field(32, ge=1, description="width to resize images to, in pixels")
    grey: bool = Field(False, description="read images in greyscale")
    made: int = Field(50_000, ge=1, description="number of 'scenes' to train on")

    def ambiguities(self) -> list[str]:
        """What new settings must say more clearly, one sentence each."""
        faults = super().ambiguities()
        for name in ("valid_data", "test_data"):
            files = getattr(self, name)
            if len(files) > 1:
                faults.append(f"{name} names {len(files)} files; caption reads one, as for --data")
        return faults


class CaptionSettings(
    CaptionPartSettings,
    TokenSettings,
    ImageAugmentation,
    BucketSettings,
    CaptionerSettings,
    TeacherSettings,
    DecodingSettings,
    TrainingSettings,
    LabelSmoothing,
):
    """Everything that can be set for training a captioner."""

    tokens: Tokens = Field("words", description="unit of an output token")

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        faults = super().contradictions() + penalty_faults(self)
        if self.about != "images" and self.attention != "none":
            faults.append(
                f"about={self.about} has no image regions, but attention={self.attention} attends "
                "to regions of an image; set --attention none"
            )
        for name, field in ImageAugmentation.model_fields.items():
            if self.about != "images" and getattr(self, name) != field.default:
                faults.append(f"{name} augments images, but about={self.about}; leave it out")
        return faults


OUTLINE = Outline(
    name="caption",
    summary="write a caption for an image, a class or a vector",
    settings=CaptionSettings,
    groups={
        "data": CaptionPartSettings,
        "augmentation of images": ImageAugmentation,
        "texts": TokenSettings,
        "batches": BucketSettings,
        "model": CaptionerSettings,
        "teaching": TeacherSettings,
        "decoding": DecodingSettings,
        "training": TrainingSettings,
        "labels": LabelSmoothing,
    },
    help=(
        "  engram train caption --config scenes --run-dir runs/scenes\n"
        "  engram train caption --data photos/ --height 64 --width 64 --run-dir runs/photos\n"
        "  engram train caption --data sounds.csv --about classes --attention none"
    ),
)
