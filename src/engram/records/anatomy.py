"""What a model's regions are and do, as a record."""

from dataclasses import dataclass, field
from typing import ClassVar

from engram.records.record import Record


@dataclass(frozen=True)
class Region:
    """One region of a model.

    Attributes:
        name: A name in `engram.models.regions.ROLES`.
        role: What such a region does in a network.
        modules: The modules in it, outermost only, by name with their class.
        parameters: How many numbers it holds; shared weights count in the first region alone.
        trained: How many of them learn.
        kinds: Parameters by kind of weight.
        compute: Its share of the multiply-adds, or None where they were not counted.
        gradient: Its share of the squared norm of the gradient, or None without a gradient.
        change: ‖W - W₀‖ / ‖W₀‖ since initialisation, or None where W₀ is not known or zero.
        rates: The learning rates of its weights, ascending; empty where no optimiser was given.
        facts: Further facts, by name.
    """

    name: str
    role: str
    modules: dict[str, str]
    parameters: int
    trained: int
    kinds: dict[str, int]
    compute: float | None
    gradient: float | None
    change: float | None
    rates: list[float]
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Anatomy(Record):
    """What a model's regions are and do.

    Attributes:
        regions: All six, by name, in the order of `engram.models.regions.ROLES`.
        parameters: Of the whole model, shared weights once.
        multiply_adds: Of one call on the example, or without one of one time step for each row;
            None where sizes alone do not tell.
        shared: Weights with more than one name: the first one, and the others.
    """

    name: ClassVar[str] = "anatomy"

    regions: dict[str, Region]
    parameters: int
    multiply_adds: int | None
    shared: dict[str, list[str]]
