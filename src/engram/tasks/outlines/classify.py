"""Classification, as it is typed and set."""

from engram.tasks.outlines.examples import GROUPS, ExampleSettings
from engram.tasks.outlines.outline import Outline
from engram.training.settings import LabelSmoothing


class ClassifySettings(ExampleSettings, LabelSmoothing):
    """Everything that can be set for training a classifier."""


OUTLINE = Outline(
    name="classify",
    summary="predict a label for each text or series",
    settings=ClassifySettings,
    groups=GROUPS | {"labels": LabelSmoothing},
    help=(
        "  engram train classify --data reviews.csv --run-dir runs/reviews\n"
        "  engram train classify --data letters/ --test-data others/ --pooling attention\n"
        "  engram train classify --data gestures_TRAIN.ts --test-data gestures_TEST.ts"
    ),
)
