"""Settings of data: what is read, how it becomes numbers and batches, and how it is augmented.

They load without torch and without readers of files, for the command line's help.
"""

from typing import Literal

from pydantic import Field

from engram.settings import Names, Settings

# Said here, and not made from the tables of readers, which would load them; a test compares.
TABLES = ".csv, .json, .jsonl, .ndjson, .parquet, .pq, .tab, .tsv"


class BucketSettings(Settings):
    """How sequences are put together in batches."""

    batch: int = Field(32, ge=1, description="most sequences of a batch")
    batch_steps: int = Field(
        20_000, ge=1, description="most steps of a batch, padding included; long ones go alone"
    )


Missing = Literal["refuse", "mask", "impute"]


class EncodingSettings(Settings):
    """How texts and values become numbers."""

    tokens: Literal["characters", "bytes", "words", "bpe"] = Field(
        "words", description="texts: what the model reads one at a time"
    )
    vocabulary: int = Field(20_000, ge=2, description="texts: most entries of words or bpe")
    lowercase: bool = Field(False, description="texts: read capitals as small letters")
    max_steps: int | None = Field(
        None, ge=1, description="leave out what a sequence holds after so many steps"
    )
    scaling: bool = Field(
        True, description="values: bring each column to mean 0 and deviation 1, as in training"
    )
    missing: Missing = Field(
        "refuse",
        description="values that are missing: refuse them; impute the column's mean; or mask: the "
        "same, and a column of 0 and 1 that says so",
    )


class ReadingSettings(Settings):
    """Which data are read, and what their columns are for."""

    data: list[str] = Field(
        min_length=1,
        description=f"files, globs, a folder: {TABLES}, .ts, a folder of folders, one a class, "
        ".txt (label text); or digits, reviews, made here",
    )
    encoding: str = Field("utf-8", description="encoding of text files")
    target: str | None = Field(
        None, description="tables: column that is asked for; default by its name, or the last"
    )
    text: str | None = Field(None, description="tables: column of texts; default the longest ones")
    values: Names = Field(
        [],
        description="tables: columns of numbers; default all that have no other role",
        json_schema_extra={"metavar": "COLUMN"},
    )
    series: str | None = Field(
        None, description="tables: column that says which series a row belongs to"
    )
    time: str | None = Field(None, description="tables: column that orders the rows of a series")
    wide: bool = Field(
        False, description="tables: each row is a series, and its columns of numbers the steps"
    )


class TagReadingSettings(Settings):
    """Which sequences are read."""

    data: list[str] = Field(
        min_length=1,
        description="files and globs: CoNLL columns, CoNLL-U, or .jsonl and .parquet with lists",
    )
    encoding: str = Field("utf-8", description="encoding of text files")
    words: str | None = Field(
        None,
        description="column of words or values, by name, or by number in CoNLL columns; default "
        "the first, or FORM, or its name",
    )
    tags: str | None = Field(
        None, description="column of tags, likewise; default the last, or UPOS, or its name"
    )


class PanelSettings(Settings):
    """Which series are read, and what columns are for."""

    data: list[str] = Field(
        min_length=1,
        description=f"tables ({TABLES}), globs; or sunspots, which comes with a library",
    )
    encoding: str = Field("utf-8", description="encoding of text files")
    target: Names = Field(
        [],
        description="columns that are forecast, each a series; default by name, or all of numbers",
        json_schema_extra={"metavar": "COLUMN"},
    )
    series: str | None = Field(None, description="column that says which series a row belongs to")
    time: str | None = Field(None, description="column that orders the steps of a series")
    past: Names = Field(
        [],
        description="columns of numbers that help, and are known up to now",
        json_schema_extra={"metavar": "COLUMN"},
    )
    known: Names = Field(
        [],
        description="columns of numbers that help, and are known ahead, such as prices",
        json_schema_extra={"metavar": "COLUMN"},
    )
    gaps: Literal["keep", "fill"] = Field(
        "keep",
        description="steps that are left out: take the next one as following, or fill in missing "
        "values",
    )


Transform = Literal["none", "log", "sqrt"]


Reference = Literal["zero", "last", "season"]


class OutlookSettings(Settings):
    """What is forecast, and how series become numbers."""

    horizon: int = Field(12, ge=1, le=1000, description="steps that are forecast at once")
    season: int | None = Field(
        None, ge=1, description="steps after which things repeat; default by the frequency"
    )
    transform: Transform = Field(
        "none", description="of values: log where changes are shares, sqrt for counts"
    )
    reference: Reference = Field(
        "last",
        description="what the model corrects: nothing (zero), the last value, or the last season",
    )
    intervals: list[float] = Field(
        [0.8],
        description="prediction intervals, as shares of what falls into them",
        json_schema_extra={"metavar": "SHARE"},
    )
    calendar: bool = Field(True, description="let the model see the place in year, week and day")
    missing: Literal["refuse", "mask", "impute"] = Field(
        "refuse",
        description="values that are missing: impute takes the last one, mask tells the model too",
    )

    def contradictions(self) -> list[str]:
        """What does not go together, a sentence each."""
        faults = super().contradictions()
        for share in self.intervals:
            if not 0.0 < share < 1.0:
                faults.append(f"intervals has {share:g}; each is a share over 0 and under 1")
        return faults

    @property
    def quantiles(self) -> list[float]:
        """The median, and the ends of all intervals, in their order."""
        return sorted({0.5, *(end for share in self.intervals for end in ends_of(share))})


def ends_of(share: float) -> tuple[float, float]:
    """The quantiles between which a share of all values lies."""
    return round((1 - share) / 2, 6), round((1 + share) / 2, 6)


class TokenAugmentation(Settings):
    """How the tokens that are read in training differ from the text."""

    drop_tokens: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of tokens read as unknown in training"
    )
    replace_tokens: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of tokens read as others, by their frequency"
    )


class SeriesAugmentation(Settings):
    """How series are changed in training; Um et al. 2017 compare such changes on sensor data."""

    jitter: float = Field(
        0.0, ge=0.0, description="noise added to each value, in standard deviations of its series"
    )
    scale: float = Field(
        0.0, ge=0.0, description="spread of the factor on a series, as a deviation of its logarithm"
    )
    warp: float = Field(
        0.0, ge=0.0, description="spread of the speed of time, as a deviation of its logarithm"
    )
    crop: float = Field(
        1.0, gt=0.0, le=1.0, description="least share of a series that is kept, from a random start"
    )


class ImageAugmentation(Settings):
    """How images are changed in training."""

    flip: bool = Field(False, description="mirror every other image, left to right")
    flip_vertical: bool = Field(False, description="mirror every other image, top to bottom")
    rotate: float = Field(
        0.0, ge=0.0, le=180.0, description="most degrees an image is turned, either way"
    )
    zoom: float = Field(1.0, ge=1.0, description="most that an image grows or shrinks, as a factor")
    fill: Literal["edge", "black"] = Field(
        "edge", description="what comes in from outside an image: its edge goes on, or black"
    )
