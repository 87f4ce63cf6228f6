"""Settings of the training loop."""

from typing import Literal

from pydantic import Field

from engram.settings import Settings


class TrainingSettings(Settings):
    """How a model is trained."""

    epochs: int = Field(10, ge=1, description="passes over the training part")
    max_updates: int | None = Field(
        None, ge=1, description="stop after so many updates, also within an epoch"
    )
    lanes: int = Field(32, ge=1, description="rows of a batch, each going on where it stopped")
    steps: int = Field(64, ge=1, description="steps between updates (k1 of truncation)")
    reach: int | None = Field(
        None, ge=1, description="steps a gradient flows back (k2 of truncation); default --steps"
    )
    shift: bool = Field(True, description="start each epoch at another place in the text")
    optimizer: Literal["sgd", "rmsprop", "adam", "adamw"] = Field(
        "adamw", description="update rule"
    )
    rate: float = Field(2e-3, gt=0.0, description="learning rate")
    momentum: float = Field(0.0, ge=0.0, lt=1.0, description="momentum of sgd and rmsprop")
    smoothing: float = Field(
        0.99, gt=0.0, lt=1.0, description="decay of rmsprop's mean square (torch calls it alpha)"
    )
    weight_decay: float = Field(
        0.0, ge=0.0, description="decay of weights: decoupled in adamw, L2 in the others"
    )
    schedule: Literal["constant", "cosine", "linear", "exponential"] = Field(
        "cosine", description="course of the learning rate"
    )
    warmup: int = Field(0, ge=0, description="updates over which the rate rises to its value")
    decay: float = Field(
        0.97, gt=0.0, le=1.0, description="exponential: factor on the rate after each epoch"
    )
    decay_after: int = Field(10, ge=0, description="exponential: epochs before the decay begins")
    clip_norm: float | None = Field(
        1.0, gt=0.0, description="largest norm of the gradient; 'none' turns it off"
    )
    clip_value: float | None = Field(
        None, gt=0.0, description="largest absolute value of each gradient entry"
    )
    patience: int | None = Field(
        None, ge=1, description="stop after so many evaluations without a better one"
    )
    evaluate_every: int | None = Field(
        None, ge=1, description="updates between evaluations; default once an epoch"
    )
    log_every: int = Field(50, ge=1, description="updates between lines of metrics")
    checkpoint_every: int = Field(
        500, ge=1, description="updates between checkpoints (and one at each evaluation)"
    )
    seed: int = Field(0, ge=0, description="seed of everything random")
    threads: int | None = Field(None, ge=1, description="threads of torch; default its own choice")

    @property
    def k2(self) -> int:
        """Steps that a gradient flows back."""
        return self.reach or self.steps
