"""Settings of the training loop."""

import math
from typing import Literal

from pydantic import Field

from engram.errors import did_you_mean
from engram.models.region_names import KINDS, MATRICES, ORDER, ROLES
from engram.settings import Factors, Names, Settings


class TrainingSettings(Settings):
    """How a model is trained."""

    epochs: int = Field(10, ge=1, description="passes over the training part")
    max_updates: int | None = Field(
        None, ge=1, description="stop after so many updates, also within an epoch"
    )
    optimizer: Literal["sgd", "rmsprop", "adam", "adamw"] = Field(
        "adamw", description="update rule; adam and adamw are one, as decay is decoupled in all"
    )
    rate: float = Field(2e-3, gt=0.0, description="learning rate")
    momentum: float = Field(0.0, ge=0.0, lt=1.0, description="momentum of sgd and rmsprop")
    smoothing: float = Field(
        0.99, gt=0.0, lt=1.0, description="decay of rmsprop's mean square (torch calls it alpha)"
    )
    l1: float = Field(0.0, ge=0.0, description="λ₁ of the penalty λ₁ Σ|w| on weights")
    l2: float = Field(
        0.0, ge=0.0, description="λ₂ of the penalty ½ λ₂ Σw² on weights; with --l1, elastic net"
    )
    weight_decay: float = Field(
        0.0, ge=0.0, description="decoupled decay: each update takes rate × this × w off weights w"
    )
    regularise: Names = Field(
        list(MATRICES),
        description=f"kinds of weights that l1, l2 and weight_decay act on: {', '.join(KINDS)}",
        json_schema_extra={"metavar": "KIND"},
    )
    freeze: Names = Field(
        [],
        description="regions that do not learn: occipital, parietal, frontal, temporal",
        json_schema_extra={"metavar": "REGION"},
    )
    rates: Factors = Field(
        {},
        description="factors on the learning rate by region, such as temporal=0.1",
        json_schema_extra={"metavar": "REGION=X"},
    )
    rate_decay: float | None = Field(
        None,
        ge=1.0,
        description="each region learns at the rate of the one above it divided by this (2.6)",
    )
    unfreeze_every: int | None = Field(
        None,
        ge=1,
        description="begin with the last region alone, and add the one below it after so many "
        "updates",
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
    clip_percentile: float | None = Field(
        None,
        ge=0.0,
        le=100.0,
        description="clip the norm to this percentile of all norms so far; 10 in AutoClip",
    )
    clip_units: float | None = Field(
        None,
        gt=0.0,
        description="largest norm of a unit's gradient, as a share of its weights' norm; 0.01 is "
        "usual",
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
    omega: float = Field(
        0.0, ge=0.0, description="weight of Pascanu's Ω, against a gradient that vanishes in time"
    )
    omega_schedule: Literal["constant", "inverse"] = Field(
        "constant", description="course of Ω's weight: constant, or divided by the epoch's number"
    )
    norm_stabilizer: float = Field(
        0.0, ge=0.0, description="weight of the penalty on changes of the state's norm"
    )
    spectral_penalty: float = Field(
        0.0,
        ge=0.0,
        description="weight of the penalty on singular values above --spectral-bound",
    )
    spectral_bound: float = Field(
        1.0, ge=0.0, description="singular value of recurrent matrices that costs nothing"
    )
    orthogonal_penalty: float = Field(
        0.0, ge=0.0, description="weight of the penalty on recurrent matrices not orthogonal"
    )
    activation_penalty: float = Field(
        0.0, ge=0.0, description="weight of the penalty on activations (AR); 2 is usual"
    )
    temporal_penalty: float = Field(
        0.0, ge=0.0, description="weight of the penalty on changes of state (TAR); 1 is usual"
    )
    averaging: Literal["none", "ema", "mean"] = Field(
        "none",
        description="average weights over updates, and evaluate and keep the average: ema forgets "
        "old ones exponentially, mean takes all alike",
    )
    averaging_decay: float = Field(
        0.999, ge=0.0, lt=1.0, description="share of the old average that ema keeps at an update"
    )
    averaging_from: int = Field(0, ge=0, description="updates before the average begins")
    seed: int = Field(0, ge=0, lt=1 << 63, description="seed of everything random")
    threads: int | None = Field(None, ge=1, description="threads of torch; default its own choice")

    def contradictions(self) -> list[str]:
        """What does not go together, a sentence each."""
        faults = super().contradictions() + self.tuning_faults()
        if self.averaging != "none" and self.averaging_from >= (self.max_updates or math.inf):
            faults.append(
                f"averaging begins after {self.averaging_from} updates, and max_updates="
                f"{self.max_updates} ends training before; lower --averaging-from"
            )
        return faults

    def tuning_faults(self) -> list[str]:
        """What cannot be of regions, rates and penalties, whatever the model; a sentence each."""
        faults = []
        for setting, names in (("freeze", self.freeze), ("rates", self.rates)):
            for name in names:
                if name not in ROLES:
                    faults.append(f"{setting} names '{name}', {did_you_mean(name, ORDER)}")
        for name in self.regularise:
            if name not in KINDS:
                faults.append(f"regularise names '{name}', {did_you_mean(name, KINDS)}")
        for name, factor in self.rates.items():
            if name in self.freeze:
                faults.append(f"rates gives {name} a rate, and freeze freezes it; leave one out")
            if factor <= 0.0:
                faults.append(
                    f"rates has {name}={factor:g}; a factor is above 0: freeze it instead"
                )
        highest = self.rate * max([1.0, *self.rates.values()]) * self.weight_decay
        if highest >= 1.0:
            faults.append(
                f"weight_decay={self.weight_decay:g} times the rate is {highest:g}, and would take "
                "more than a weight has off it; keep it under 1"
            )
        return faults


class TruncationSettings(Settings):
    """How one long stream is trained on: in lanes, by windows of so many steps."""

    lanes: int = Field(32, ge=1, description="rows of a batch, each going on where it stopped")
    steps: int = Field(64, ge=1, description="steps between updates (k1 of truncation)")
    reach: int | None = Field(
        None, ge=1, description="steps a gradient flows back (k2 of truncation); default --steps"
    )
    steps_deviation: float = Field(
        0.0,
        ge=0.0,
        description="draw each window's length anew around --steps, with this deviation, and scale "
        "the rate by it; 5 is usual",
    )
    shift: bool = Field(True, description="start each epoch at another place in the text")

    def contradictions(self) -> list[str]:
        """What does not go together, a sentence each."""
        from engram.data.batching.lanes import LEAST_STEPS

        faults = super().contradictions()
        if self.steps_deviation and self.steps <= LEAST_STEPS:
            faults.append(
                f"steps_deviation={self.steps_deviation} draws windows of {LEAST_STEPS} steps or "
                f"more, and steps={self.steps} leaves nothing to draw; raise --steps"
            )
        return faults

    @property
    def k2(self) -> int:
        """Steps that a gradient flows back."""
        return self.reach or self.steps


class LabelSmoothing(Settings):
    """How sure a model is asked to be of its targets; see `cross_entropy`."""

    label_smoothing: float = Field(
        0.0,
        ge=0.0,
        lt=1.0,
        description="share of the target's probability that is spread over all classes in training",
    )
