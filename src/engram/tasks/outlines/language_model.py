"""Language modelling, as it is typed and set."""

from typing import Literal

from pydantic import Field

from engram.data.settings import FileEncoding, TokenAugmentation
from engram.models.settings import ModelSettings, TopK, TopP
from engram.settings import Settings
from engram.tasks.outlines.outline import Outline
from engram.tasks.outlines.penalty_faults import penalty_faults
from engram.tasks.outlines.split import FractionSettings, fraction
from engram.tasks.outlines.start import StartSettings
from engram.tasks.outlines.texts import TokenSettings
from engram.training.settings import LabelSmoothing, TrainingSettings, TruncationSettings


class CorpusSettings(Settings):
    """Which text is read."""

    data: list[str] = Field(
        ["stdlib"],
        min_length=1,
        description="files, folders and globs; 'stdlib' is Python's own library on this machine",
    )
    encoding: FileEncoding = "utf-8"
    errors: Literal["strict", "replace", "ignore"] = Field(
        "strict", description="how to handle invalid bytes: strict, replace or ignore"
    )
    max_characters: int | None = Field(None, ge=1, description="read at most this many characters")


class StreamSplitSettings(FractionSettings):
    """What is held out of the text: its end."""

    valid: float = fraction(0.05, "fraction of the text for validation, after the training part")
    test: float = fraction(0.05, "fraction of the text for the final test, at its end")


class TextSettings(StreamSplitSettings, TokenSettings, CorpusSettings):
    """Which text is read, how it becomes tokens, and what is held out of it."""


class LanguageModelSettings(
    TextSettings,
    StartSettings,
    TokenAugmentation,
    ModelSettings,
    TruncationSettings,
    LabelSmoothing,
    TrainingSettings,
):
    """Everything that can be set for training a language model."""

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        faults = super().contradictions() + penalty_faults(self)
        if self.omega and any(self.zoneout.values()):
            faults.append(
                "omega follows the only path from step to step of an Elman network, and zoneout "
                "adds another; leave one of them out"
            )
        if self.patience is not None and self.valid == 0.0:
            faults.append(
                f"patience={self.patience} needs a validation set, but valid=0 leaves none; give a "
                "fraction with --valid, or leave out --patience"
            )
        return faults


class SamplingSettings(Settings):
    """How text is written."""

    length: int = Field(400, ge=1, description="number of tokens to generate")
    temperature: float = Field(0.8, ge=0.0, description="divides the logits; 0 is greedy decoding")
    top_k: TopK = None
    top_p: TopP = None
    seed: int = Field(0, ge=0, lt=1 << 63, description="the same seed gives the same text")


OUTLINE = Outline(
    name="language-model",
    summary="predict the next character, byte, word or token of text",
    settings=LanguageModelSettings,
    groups={
        "text": TextSettings,
        "start": StartSettings,
        "augmentation": TokenAugmentation,
        "model": ModelSettings,
        "truncation": TruncationSettings,
        "training": TrainingSettings,
        "labels": LabelSmoothing,
    },
    help=(
        "  engram train language-model --data notes.txt --run-dir runs/notes\n"
        "  engram train language-model --data src/ 'docs/**/*.md' --cell gru --layers 2\n"
        "  torchrun --nproc-per-node 2 -m engram train language-model --data notes.txt"
    ),
)
