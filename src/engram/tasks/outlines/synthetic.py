"""Synthetic problems, as they are typed and set."""

from typing import Literal

from pydantic import Field

from engram.models.settings import RecurrentSettings
from engram.settings import Settings
from engram.tasks.outlines.outline import Outline
from engram.tasks.outlines.penalty_faults import penalty_faults
from engram.training.settings import TrainingSettings

LENGTHS: dict[str, int | None] = {
    "adding": 100,
    "copy": 50,
    "temporal-order": 50,
    "latch": 50,
    "reber": None,
    "dyck": 40,
    "mackey-glass": 300,
    "narma10": 300,
}


# Settings that some problems alone have.
_OWN = {
    "symbols": ("temporal-order",),
    "noise": ("latch",),
    "kinds": ("dyck",),
    "depth": ("dyck",),
    "tau": ("mackey-glass",),
    "ahead": ("mackey-glass",),
    "warm_up": ("mackey-glass", "narma10"),
}


class ProblemSettings(Settings):
    """Which problem, and how hard."""

    problem: Literal[
        "adding",
        "copy",
        "temporal-order",
        "latch",
        "reber",
        "dyck",
        "mackey-glass",
        "narma10",
    ] = Field(description="problem to learn")
    length: int | None = Field(
        None,
        ge=1,
        description="sequence length; for copy, the delay; default depends on the problem",
    )
    symbols: int = Field(
        2, ge=2, le=3, description="temporal-order: number of symbols whose order matters"
    )
    noise: float = Field(0.2, ge=0.0, description="latch: standard deviation of the noise")
    kinds: int = Field(2, ge=1, le=26, description="dyck: number of bracket types")
    depth: int = Field(4, ge=1, description="dyck: largest nesting depth")
    tau: int = Field(17, ge=1, description="mackey-glass: delay of its equation")
    ahead: int = Field(84, ge=1, description="mackey-glass: number of steps ahead to predict")
    warm_up: int = Field(
        50, ge=0, description="mackey-glass, narma10: number of initial steps without loss"
    )

    @property
    def steps(self) -> int:
        """The length, or the problem's own; 0 where sequences are as long as they come."""
        return self.length or LENGTHS[self.problem] or 0

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        faults = super().contradictions()
        if self.length is not None and LENGTHS[self.problem] is None:
            faults.append(
                f"length={self.length} is given, but the grammar of {self.problem} sets the length "
                "of its strings; leave it out"
            )
        for name, problems in _OWN.items():
            value = getattr(self, name)
            if value != type(self).model_fields[name].default and self.problem not in problems:
                faults.append(
                    f"{name}={value} applies to {' and '.join(problems)}, but the problem is "
                    f"{self.problem}; leave it out"
                )
        if self.problem in _OWN["warm_up"] and self.warm_up >= self.steps:
            faults.append(
                f"warm_up={self.warm_up} leaves none of the {self.steps} steps; use a larger "
                "--length"
            )
        return faults


class DrawSettings(Settings):
    """How many sequences are drawn."""

    batch: int = Field(32, ge=1, description="batch size; every update draws new sequences")
    epoch_updates: int = Field(100, ge=1, description="updates per epoch")
    valid_sequences: int = Field(
        500, ge=1, description="number of validation sequences, which choose the best weights"
    )
    test_sequences: int = Field(2560, ge=1, description="number of test sequences")


class SyntheticSettings(ProblemSettings, DrawSettings, RecurrentSettings, TrainingSettings):
    """Everything that can be set for training on a synthetic problem."""

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        return super().contradictions() + penalty_faults(self)


OUTLINE = Outline(
    name="synthetic",
    summary="generated problems that test memory",
    settings=SyntheticSettings,
    groups={
        "problem": ProblemSettings,
        "sequences": DrawSettings,
        "model": RecurrentSettings,
        "training": TrainingSettings,
    },
    help=(
        "  engram train synthetic --config adding --run-dir runs/adding\n"
        "  engram train synthetic --problem copy --length 100 --hidden 128 --chrono 150\n"
        "  engram eval runs/adding --length 200\n"
        "  engram predict runs/adding"
    ),
    names="problem",
)
