"""Settings that tasks which write texts share."""

from pydantic import Field

from engram.data.settings import Tokens
from engram.settings import Settings


class TokenSettings(Settings):
    """How texts become tokens."""

    tokens: Tokens = Field("characters", description="unit of a token")
    vocabulary: int = Field(10_000, ge=2, description="vocabulary size, for words or bpe")


class TeacherSettings(Settings):
    """What the decoder reads in training."""

    scheduled_sampling: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="scheduled sampling: fraction of previous tokens that the model samples itself "
        "in the last epoch, rising from 0 in the first (runs step by step, so slower)",
    )
