"""Translation, as it is typed and set."""

from pydantic import Field

from engram.data.settings import BucketSettings, CutSettings, FileEncoding, InvalidBytes
from engram.models.settings import DecodingSettings, EncoderDecoderSettings
from engram.tasks.outlines.outline import Outline
from engram.tasks.outlines.penalty_faults import penalty_faults
from engram.tasks.outlines.split import TextSplitSettings
from engram.tasks.outlines.texts import TeacherSettings, TokenSettings
from engram.training.settings import LabelSmoothing, TrainingSettings


class PairSettings(CutSettings):
    """Which pairs of texts are read."""

    data: list[str] = Field(
        min_length=1,
        description="a file with tab-separated pairs, or two files with parallel lines; 'dates' "
        "generates dates in many languages and their ISO form (a file of that name is ./dates)",
    )
    columns: list[str] = Field(
        ["1", "2"],
        description="one file: source and target column, by number or by name in the first line",
        json_schema_extra={"metavar": "COLUMN"},
    )
    encoding: FileEncoding = "utf-8"
    errors: InvalidBytes = "strict"


class PairPartSettings(TextSplitSettings, PairSettings):
    """Which pairs are read, and what is held out of them."""

    made: int = Field(50_000, ge=1, description="number of 'dates' to train on")


class TranslateSettings(
    PairPartSettings,
    TokenSettings,
    BucketSettings,
    EncoderDecoderSettings,
    TeacherSettings,
    DecodingSettings,
    TrainingSettings,
    LabelSmoothing,
):
    """Everything that can be set for training a translator."""

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        return super().contradictions() + penalty_faults(self)


OUTLINE = Outline(
    name="translate",
    summary="map one text to another: translation, spelling, dates to one format",
    settings=TranslateSettings,
    groups={
        "data": PairPartSettings,
        "texts": TokenSettings,
        "batches": BucketSettings,
        "model": EncoderDecoderSettings,
        "teaching": TeacherSettings,
        "decoding": DecodingSettings,
        "training": TrainingSettings,
        "labels": LabelSmoothing,
    },
    help=(
        "  engram train translate --config dates --run-dir runs/dates\n"
        "  engram train translate --data pairs.tsv --tokens words --run-dir runs/pairs\n"
        "  engram train translate --data text.de text.en --tokens bpe --attention additive"
    ),
)
