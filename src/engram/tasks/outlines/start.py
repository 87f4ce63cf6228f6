"""What a training that starts from a trained model can set, and what that model has decided."""

from pydantic import Field

from engram.settings import Settings

RATE_SHARE = 0.5
"""The default rate, as a share of the first training's: weights that are good already move less."""


OWN = ("freeze", "rates", "rate_decay", "unfreeze_every", "device")
"""Settings that belong to one training, and go back to their defaults."""


# What the weights of recurrent layers have decided.
SHAPE = ("cell", "hidden", "layers", "residual", "learn_initial_state")


FIXED = (*SHAPE, "embedding", "tied", "init", "init_scale", "forget_bias", "chrono")
"""Settings that trained weights have decided."""


class StartSettings(Settings):
    """Whether training starts from a trained model."""

    start: str | None = Field(
        None,
        description="run or model folder to start from, such as a language model's: its encoding "
        "and weights are reused; the head is re-initialised if the outputs differ",
    )
