"""Settings of data: what is read, how it becomes numbers and batches, and how it is augmented.

They load without torch and without readers of files, for the command line's help.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from engram.settings import Names, Settings

# Said here, and not made from the tables of readers, which would load them; a test compares.
TABLES = ".csv, .data, .json, .jsonl, .ndjson, .parquet, .pq, .tab, .tsv"
SOUNDS = ".flac, .mp3, .ogg, .wav"
IMAGES = ".bmp, .gif, .jpeg, .jpg, .pgm, .png, .ppm, .tif, .tiff, .webp"


Missing = Literal["refuse", "mask", "impute"]
Tokens = Literal["characters", "bytes", "words", "bpe"]
FileEncoding = Annotated[str, Field(description="text encoding of the files")]
InvalidBytes = Annotated[
    str, Field(description="how to handle invalid bytes: strict, replace or ignore")
]


class BucketSettings(Settings):
    """How sequences are put together in batches."""

    batch: int = Field(32, ge=1, description="batch size: largest number of sequences per batch")
    batch_steps: int = Field(
        20_000,
        ge=1,
        description="largest number of steps per batch, including padding; longer "
        "sequences get a batch of their own",
    )


SEPARATORS = {"tab": "\t", "semicolon": ";", "bar": "|", "comma": ","}
"""Of cells in CSV files; of equally good ones the first is taken, as commas stand in texts too."""


class CutSettings(Settings):
    """How the text of CSV files is cut into rows and cells, where a file leaves a choice."""

    separator: str | None = Field(
        None,
        description="CSV: separator of cells: comma, semicolon, tab, bar, or a character; default "
        "by content",
    )
    quotes: Literal["double", "none"] | None = Field(
        None, description="CSV: whether cells may be in double quotes; default by content"
    )
    header_rows: int | None = Field(
        None, ge=0, le=9, description="CSV: number of rows of column names; default by content"
    )
    skip: int | None = Field(
        None, ge=0, description="CSV: lines to skip at the start; default those of comments"
    )

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        faults = super().contradictions()
        if self.separator and self.separator not in SEPARATORS and len(self.separator) != 1:
            named = ", ".join(SEPARATORS)
            faults.append(f"separator is {self.separator!r}; it takes {named}, or one character")
        return faults


class TextTableSettings(CutSettings):
    """How the text of tables is understood, where a file leaves a choice."""

    decimal: Literal["point", "comma"] | None = Field(
        None, description="decimal sign of numbers in text; default by content"
    )
    dates: Literal["day-first", "month-first"] | None = Field(
        None, description="order of dates such as 03/04/2022; default by content"
    )

    def reading(self) -> dict[str, Any]:
        """These settings alone, by name, without those that are open."""
        own = {name: getattr(self, name) for name in TextTableSettings.model_fields}
        return {name: value for name, value in own.items() if value is not None}


class ValueSettings(Settings):
    """How values become numbers."""

    scaling: bool = Field(
        True,
        description="values: standardise each column (mean 0, standard deviation 1), as in "
        "training",
    )
    missing: Missing = Field(
        "refuse",
        description="missing values: refuse raises an error; impute fills in the average of the "
        "column; mask also adds a column of 0 and 1 that marks them",
    )


class EncodingSettings(ValueSettings):
    """How texts and values become numbers."""

    tokens: Tokens = Field("words", description="texts: unit of a token")
    vocabulary: int = Field(20_000, ge=2, description="texts: vocabulary size, for words or bpe")
    lowercase: bool = Field(False, description="texts: convert to lower case")
    max_steps: int | None = Field(
        None, ge=1, description="truncate sequences to this number of steps"
    )


class ReadingSettings(TextTableSettings):
    """Which data are read, and what their columns are for."""

    data: list[str] = Field(
        min_length=1,
        description=f"files, globs or a folder: {TABLES}, .ts, a folder with one folder per class, "
        f".txt (label text), sounds ({SOUNDS}), images ({IMAGES}) or tables that name them; or the "
        "built-in sets digits, reviews and sounds",
    )
    encoding: FileEncoding = "utf-8"
    target: str | None = Field(
        None, description="tables: column to predict; default by its name, or the last"
    )
    text: str | None = Field(
        None, description="tables: text column; default the one with the longest texts"
    )
    values: Names = Field(
        [],
        description="tables: numeric columns; default all that have no other role",
        json_schema_extra={"metavar": "COLUMN"},
    )
    series: str | None = Field(
        None, description="tables: column that identifies the series of a row"
    )
    time: str | None = Field(None, description="tables: column that orders the rows of a series")
    wide: bool = Field(
        False, description="tables: each row is a series, and its numeric columns are the steps"
    )
    label_part: int | None = Field(
        None,
        ge=1,
        description="sounds and images without a folder per class: which part of a file's name is "
        "its label, from 1; parts are separated by _, - or spaces",
    )


class SoundSettings(Settings):
    """How a sound becomes the steps of a series; stored with the model."""

    sample_rate: int | None = Field(
        None,
        ge=1000,
        le=768_000,
        description="sounds: samples per second; default that of the most files. Others are "
        "resampled",
    )
    sound_features: Literal["log-mel", "raw"] = Field(
        "log-mel",
        description="sounds: what a step is: the log-mel spectrum of a frame, or one sample (raw)",
    )
    mels: int = Field(40, ge=1, le=512, description="sounds: number of mel bands")
    frame_ms: float = Field(
        25.0, gt=0.0, le=1000.0, description="sounds: length of a frame, in milliseconds"
    )
    hop_ms: float = Field(
        10.0, gt=0.0, le=1000.0, description="sounds: from one frame to the next, in milliseconds"
    )

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        faults = super().contradictions()
        if self.hop_ms > self.frame_ms:
            faults.append(
                f"hop_ms={self.hop_ms:g} is longer than frame_ms={self.frame_ms:g}, so that sound "
                "between two frames would not be read; shorten the hop"
            )
        return faults


class ImageSettings(Settings):
    """How an image becomes the steps of a series; stored with the model."""

    height: int | None = Field(
        None,
        ge=1,
        description="images: height in pixels; default that of the most, at most 64 on the longer "
        "side",
    )
    width: int | None = Field(None, ge=1, description="images: width in pixels; default as height")
    grey: bool = Field(
        False, description="images: read in greyscale; images that are all grey are in any case"
    )
    patch: int = Field(
        0,
        ge=0,
        description="images: steps are square patches of this height and width; 0 for rows",
    )


class TagReadingSettings(Settings):
    """Which sequences are read."""

    data: list[str] = Field(
        min_length=1,
        description="files and globs: CoNLL columns, CoNLL-U, or .jsonl and .parquet with lists",
    )
    encoding: FileEncoding = "utf-8"
    words: str | None = Field(
        None,
        description="column of words or values, by name, or by number in CoNLL columns; default by "
        "its name, FORM, or the first",
    )
    tags: str | None = Field(
        None,
        description="column of tags, by name or number; default by its name, UPOS, or the last",
    )


class PanelSettings(TextTableSettings):
    """Which series are read, and what columns are for."""

    data: list[str] = Field(
        min_length=1,
        description=f"tables ({TABLES}), globs; or sunspots, which statsmodels provides",
    )
    encoding: FileEncoding = "utf-8"
    target: Names = Field(
        [],
        description="columns to forecast, each a series; default by name, or all numeric ones",
        json_schema_extra={"metavar": "COLUMN"},
    )
    series: Names = Field(
        [],
        description="columns that identify the series of a row; default by name, or what makes "
        "times unique",
        json_schema_extra={"metavar": "COLUMN"},
    )
    time: Names = Field(
        [],
        description="columns that order the steps of a series: a date, a date and an hour, or year "
        "and month; default by their values",
        json_schema_extra={"metavar": "COLUMN"},
    )
    past: Names = Field(
        [],
        description="extra numeric inputs that are known up to the present",
        json_schema_extra={"metavar": "COLUMN"},
    )
    known: Names = Field(
        [],
        description="extra numeric inputs that are known in advance, such as prices",
        json_schema_extra={"metavar": "COLUMN"},
    )
    gaps: Literal["keep", "fill"] = Field(
        "keep",
        description="missing steps: treat the next step as following directly, or fill in missing "
        "values",
    )


Transform = Literal["none", "log", "sqrt"]


Reference = Literal["zero", "last", "season"]


class OutlookSettings(Settings):
    """What is forecast, and how series become numbers."""

    horizon: int = Field(12, ge=1, le=1000, description="forecast horizon: number of steps ahead")
    season: int | None = Field(None, ge=1, description="steps per season; default by the frequency")
    transform: Transform = Field(
        "none", description="transform of values: log if changes are relative, sqrt for counts"
    )
    reference: Reference = Field(
        "last",
        description="baseline that the model corrects: zero, the last value, or the last season",
    )
    intervals: list[float] = Field(
        [0.8],
        description="coverage of the prediction intervals",
        json_schema_extra={"metavar": "SHARE"},
    )
    calendar: bool = Field(True, description="add the time of year, week and day as inputs")
    missing: Missing = Field(
        "refuse",
        description="missing values: refuse raises an error, impute takes the last value, mask "
        "also tells the model",
    )

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        faults = super().contradictions()
        for share in self.intervals:
            if not 0.0 < share < 1.0:
                faults.append(f"intervals contains {share:g}; each must be above 0 and below 1")
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
        0.0, ge=0.0, lt=1.0, description="fraction of tokens read as unknown in training"
    )
    replace_tokens: float = Field(
        0.0, ge=0.0, lt=1.0, description="fraction of tokens replaced by others, drawn by frequency"
    )


class SeriesAugmentation(Settings):
    """How series are changed in training; Um et al. 2017 compare such changes on sensor data."""

    jitter: float = Field(
        0.0, ge=0.0, description="noise added to each value, in standard deviations of its series"
    )
    scale: float = Field(
        0.0,
        ge=0.0,
        description="random scaling of each series: standard deviation of the "
        "logarithm of the factor",
    )
    warp: float = Field(
        0.0,
        ge=0.0,
        description="random time warping: standard deviation of the logarithm of the speed",
    )
    crop: float = Field(
        1.0,
        gt=0.0,
        le=1.0,
        description="random cropping: smallest fraction of a series that is kept",
    )


class SoundAugmentation(Settings):
    """How sounds are changed in training; the masks are SpecAugment's (Park et al. 2019)."""

    noise_level: float = Field(
        0.0,
        ge=0.0,
        description="sounds: white noise added to each, up to this fraction of its level (0.1 is a "
        "signal-to-noise ratio of 20 dB)",
    )
    shift_ms: float = Field(
        0.0, ge=0.0, description="sounds: largest random shift in time, in milliseconds either way"
    )
    time_masks: int = Field(0, ge=0, description="sounds: number of masked stretches of time")
    time_mask: float = Field(
        0.2, gt=0.0, le=1.0, description="sounds: longest masked stretch, as a fraction of a sound"
    )
    frequency_masks: int = Field(0, ge=0, description="sounds: number of masked bands of mels")
    frequency_mask: int = Field(8, ge=1, description="sounds: widest masked band, in mels")


class ImageAugmentation(Settings):
    """How images are changed in training."""

    flip: bool = Field(False, description="flip images left to right at random")
    flip_vertical: bool = Field(False, description="flip images top to bottom at random")
    rotate: float = Field(
        0.0, ge=0.0, le=180.0, description="largest random rotation, in degrees either way"
    )
    zoom: float = Field(1.0, ge=1.0, description="largest factor of random zoom, in or out")
    fill: Literal["edge", "black"] = Field(
        "edge", description="fill outside an image: repeat its edge, or black"
    )
