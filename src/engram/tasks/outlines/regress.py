"""Regression, as it is typed and set."""

from typing import Literal

from pydantic import Field

from engram.settings import Settings
from engram.tasks.outlines.examples import GROUPS, ExampleSettings
from engram.tasks.outlines.outline import Outline


class CostSettings(Settings):
    """What training lowers."""

    cost: Literal["mean-squared", "absolute", "huber"] = Field(
        "mean-squared",
        description="loss on the scaled targets; absolute and huber are less sensitive to outliers",
    )


class RegressSettings(ExampleSettings, CostSettings):
    """Everything that can be set for training a model of numbers."""


OUTLINE = Outline(
    name="regress",
    summary="predict a number for each text or series",
    settings=RegressSettings,
    groups=GROUPS | {"cost": CostSettings},
    help=(
        "  engram train regress --data ratings.csv --target stars --run-dir runs/ratings\n"
        "  engram train regress --data wear.parquet --series tool --time minute --target life\n"
        "  engram train regress --data oxygen_TRAIN.ts --test-data oxygen_TEST.ts"
    ),
)
