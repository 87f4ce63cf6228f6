"""Settings of the training loop."""

import math
import re
from typing import Literal

from pydantic import Field

from engram.errors import did_you_mean
from engram.models.region_names import KINDS, MATRICES, ORDER, ROLES
from engram.settings import Factors, Names, Settings

DEVICES = r"cpu|auto|cuda(:[0-9]+)?"


class TrainingSettings(Settings):
    """How a model is trained."""

    epochs: int = Field(10, ge=1, description="passes over the training set")
    max_updates: int | None = Field(
        None, ge=1, description="stop after this number of updates, even within an epoch"
    )
    optimizer: Literal["sgd", "rmsprop", "adam", "adamw"] = Field(
        "adamw",
        description="update rule; adam and adamw are the same, as weight decay is decoupled in all",
    )
    rate: float = Field(2e-3, gt=0.0, description="learning rate")
    momentum: float = Field(0.0, ge=0.0, lt=1.0, description="momentum for sgd and rmsprop")
    smoothing: float = Field(
        0.99, gt=0.0, lt=1.0, description="decay of rmsprop's mean square (torch calls it alpha)"
    )
    l1: float = Field(0.0, ge=0.0, description="λ₁ of the penalty λ₁ Σ|w| on weights")
    l2: float = Field(
        0.0,
        ge=0.0,
        description="λ₂ of the penalty ½ λ₂ Σw² on weights; together with --l1 the elastic net",
    )
    weight_decay: float = Field(
        0.0,
        ge=0.0,
        description="decoupled weight decay: each update subtracts rate × this × w from weights w",
    )
    regularise: Names = Field(
        list(MATRICES),
        description=f"kinds of weights that l1, l2 and weight_decay act on: {', '.join(KINDS)}",
        json_schema_extra={"metavar": "KIND"},
    )
    freeze: Names = Field(
        [],
        description="regions to freeze: occipital, parietal, frontal, temporal",
        json_schema_extra={"metavar": "REGION"},
    )
    rates: Factors = Field(
        {},
        description="learning rate factors by region, such as temporal=0.1",
        json_schema_extra={"metavar": "REGION=X"},
    )
    rate_decay: float | None = Field(
        None,
        ge=1.0,
        description="divide the learning rate by this from each region to the one below it (2.6)",
    )
    unfreeze_every: int | None = Field(
        None,
        ge=1,
        description="train only the last region at first, and unfreeze the one below it after "
        "every N updates",
    )
    schedule: Literal["constant", "cosine", "linear", "exponential"] = Field(
        "cosine", description="learning rate schedule"
    )
    warmup: int = Field(
        0, ge=0, description="warm-up: updates over which the learning rate rises to its value"
    )
    decay: float = Field(
        0.97, gt=0.0, le=1.0, description="exponential: factor on the rate after each epoch"
    )
    decay_after: int = Field(10, ge=0, description="exponential: epochs before the decay starts")
    clip_norm: float | None = Field(
        1.0, gt=0.0, description="clip the gradient to this norm; 'none' turns it off"
    )
    clip_value: float | None = Field(
        None, gt=0.0, description="clip each gradient entry to this absolute value"
    )
    clip_percentile: float | None = Field(
        None,
        ge=0.0,
        le=100.0,
        description="clip the norm to this percentile of all norms so far (AutoClip uses 10)",
    )
    clip_units: float | None = Field(
        None,
        gt=0.0,
        description="clip each unit's gradient to this fraction of the norm of its weights; 0.01 "
        "is usual",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="early stopping: stop after this number of evaluations without improvement",
    )
    evaluate_every: int | None = Field(
        None, ge=1, description="updates between evaluations; default once per epoch"
    )
    log_every: int = Field(50, ge=1, description="updates between logged metrics")
    checkpoint_every: int = Field(
        500,
        ge=1,
        description="updates between checkpoints (one is also written at each evaluation)",
    )
    omega: float = Field(
        0.0, ge=0.0, description="weight of Pascanu's Ω, against gradients that vanish through time"
    )
    omega_schedule: Literal["constant", "inverse"] = Field(
        "constant",
        description="schedule of Ω's weight: constant, or divided by the number of the epoch",
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
        1.0, ge=0.0, description="largest singular value of recurrent matrices without penalty"
    )
    orthogonal_penalty: float = Field(
        0.0,
        ge=0.0,
        description="weight of the penalty on recurrent matrices that are not orthogonal",
    )
    activation_penalty: float = Field(
        0.0, ge=0.0, description="weight of the penalty on activations (AR); 2 is usual"
    )
    temporal_penalty: float = Field(
        0.0, ge=0.0, description="weight of the penalty on changes of state (TAR); 1 is usual"
    )
    averaging: Literal["none", "ema", "mean"] = Field(
        "none",
        description="average weights over updates, and evaluate and save the average: ema is an "
        "exponential moving average, mean weights all updates equally",
    )
    averaging_decay: float = Field(
        0.999,
        ge=0.0,
        lt=1.0,
        description="ema: decay, the fraction of the old average kept at each update",
    )
    averaging_from: int = Field(0, ge=0, description="updates before averaging starts")
    seed: int = Field(0, ge=0, lt=1 << 63, description="random seed")
    threads: int | None = Field(
        None, ge=1, description="number of torch threads; default chosen by torch"
    )
    device: str = Field(
        "cpu",
        description="device to compute on: cpu, cuda, cuda:N, or auto, which is a CUDA device if "
        "there is one",
    )

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        faults = super().contradictions() + self.tuning_faults()
        if not re.fullmatch(DEVICES, self.device):
            faults.append(
                f"device is '{self.device}'; it must be cpu, cuda, cuda:N with the number of a "
                "device, or auto"
            )
        if self.averaging != "none" and self.averaging_from >= (self.max_updates or math.inf):
            faults.append(
                f"averaging starts after {self.averaging_from} updates, and max_updates="
                f"{self.max_updates} ends training before; lower --averaging-from"
            )
        return faults

    def tuning_faults(self) -> list[str]:
        """What cannot be of regions, rates and penalties, whatever the model; one sentence each."""
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
                faults.append(
                    f"rates sets a learning rate for {name}, but freeze freezes it; "
                    "leave one of them out"
                )
            if factor <= 0.0:
                faults.append(
                    f"rates has {name}={factor:g}; a factor must be above 0; freeze the region "
                    "instead"
                )
        highest = self.rate * max([1.0, *self.rates.values()]) * self.weight_decay
        if highest >= 1.0:
            faults.append(
                f"weight_decay={self.weight_decay:g} times the highest learning rate is "
                f"{highest:g}, which would shrink weights past 0; keep it below 1"
            )
        return faults


class TruncationSettings(Settings):
    """How one long stream is trained on: in lanes, by windows of a number of steps."""

    lanes: int = Field(
        32, ge=1, description="batch size; each row continues where it stopped in the batch before"
    )
    steps: int = Field(
        64, ge=1, description="steps between updates (k1 of truncated backpropagation)"
    )
    reach: int | None = Field(
        None,
        ge=1,
        description="steps that gradients flow back (k2 of truncated "
        "backpropagation); default --steps",
    )
    steps_deviation: float = Field(
        0.0,
        ge=0.0,
        description="draw the length of each window around --steps with this standard deviation, "
        "and scale the learning rate to it; 5 is usual",
    )
    shift: bool = Field(True, description="start each epoch at a different place in the text")

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        from engram.data.batching.lanes import LEAST_STEPS

        faults = super().contradictions()
        if self.steps_deviation and self.steps <= LEAST_STEPS:
            faults.append(
                f"steps_deviation={self.steps_deviation} draws windows of at least {LEAST_STEPS} "
                f"steps, but steps={self.steps} is too small for that; raise --steps"
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
        description="fraction of the target's probability that is spread over all classes in "
        "training",
    )
