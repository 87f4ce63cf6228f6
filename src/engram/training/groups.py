"""Groups of weights: which learn, from when on, at which rate, and which are regularised.

Rates by region and unfreezing from the last region towards the first are those of Howard and
Ruder 2018, "Universal language model fine-tuning for text classification": discriminative rates
(each region below learns at the rate of the one above it divided by 2.6) and gradual unfreezing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from engram.errors import ConfigError
from engram.models.region_names import KINDS, ORDER, ROLES
from engram.models.regions import Place, places
from engram.training.settings import TrainingSettings


@dataclass(frozen=True, eq=False)
class Group:
    """Weights that are trained alike.

    Attributes:
        parameters: The weights.
        factor: On the learning rate.
        begins: The update from which on they learn.
        regularised: Whether L1, L2 and decay act on them.
    """

    parameters: list[nn.Parameter]
    factor: float = 1.0
    begins: int = 0
    regularised: bool = False


@dataclass(frozen=True)
class Tuning:
    """How a region learns.

    Attributes:
        factor: On the learning rate; 0 for a frozen region.
        begins: The update from which on it learns; None for a frozen region.
    """

    factor: float
    begins: int | None


def tuning_of(
    model: nn.Module, settings: TrainingSettings, updates: int | None = None
) -> dict[str, Tuning]:
    """How each region of a model that has weights learns, from the input to the output.

    Args:
        model: Whose regions.
        settings: ``freeze``, ``rates``, ``rate_decay``, ``unfreeze_every``.
        updates: Of the whole training, where they are known.

    Raises:
        ConfigError: With every setting that contradicts another, the model, or the training.
    """
    found = places(model)
    regions = [name for name in ROLES if any(place.region == name for place in found)]
    regions.sort(key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    faults = [
        *settings.tuning_faults(),
        *_missing(settings, regions, found),
        *_unlearnt(settings, regions, updates),
    ]
    if faults:
        raise ConfigError("; ".join(faults))
    tuned: dict[str, Tuning] = {}
    above = 0  # regions that learn and lie nearer to the output
    for name in reversed(regions):
        if name in settings.freeze:
            tuned[name] = Tuning(0.0, None)
            continue
        factor = settings.rates.get(name, (settings.rate_decay or 1.0) ** -above)
        tuned[name] = Tuning(factor, above * (settings.unfreeze_every or 0))
        above += 1
    return {name: tuned[name] for name in regions}


def make_groups(model: nn.Module, settings: TrainingSettings) -> list[Group]:
    """Divide the weights of a model that ever learn into groups; often that is one.

    Raises:
        ConfigError: As `tuning_of`.
    """
    tuned = tuning_of(model, settings)
    penalised = bool(settings.l1 or settings.l2 or settings.weight_decay)
    groups: dict[tuple[float, int, bool], Group] = {}
    for place in places(model):
        how = tuned[place.region]
        if how.begins is None or not place.parameter.requires_grad:
            continue
        regularised = penalised and place.kind in settings.regularise
        key = (how.factor, how.begins, regularised)
        groups.setdefault(key, Group([], *key)).parameters.append(place.parameter)
    return list(groups.values())


@contextmanager
def only_learning(model: nn.Module, groups: list[Group]) -> Iterator[Callable[[int], None]]:
    """Let only weights of these groups learn, each from its update on, while the block runs.

    Weights that do not learn take no gradient, so that no update, penalty or decay reaches them.

    Yields:
        To be called with the number of each update before it.
    """
    learning = [p for p in model.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
        parameter.grad = None
    waiting = sorted(groups, key=lambda group: group.begins)

    def begin(update: int) -> None:
        while waiting and waiting[0].begins <= update:
            for parameter in waiting.pop(0).parameters:
                parameter.requires_grad_(True)

    try:
        yield begin
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


def _missing(settings: TrainingSettings, regions: list[str], found: list[Place]) -> list[str]:
    """Names of what this model has nothing of."""
    faults = []
    for setting, names in (("freeze", settings.freeze), ("rates", settings.rates)):
        for name in names:
            if name in ROLES and name not in regions:
                faults.append(
                    f"{setting} names '{name}', but this model has no weights there; it "
                    f"has {', '.join(regions)}"
                )
    kinds = {place.kind for place in found}
    wanted = settings.l1 or settings.l2 or settings.weight_decay
    if wanted and not kinds & set(settings.regularise):
        faults.append(
            f"regularise names {', '.join(settings.regularise) or 'nothing'}, but this model has "
            f"weights of the kinds {', '.join(k for k in KINDS if k in kinds)}"
        )
    return faults


def _unlearnt(settings: TrainingSettings, regions: list[str], updates: int | None) -> list[str]:
    """What would leave regions without an update, or settings without an effect."""
    faults = []
    learning = [name for name in regions if name not in settings.freeze]
    if regions and not learning:
        faults.append(f"freeze names every region ({', '.join(regions)}), so nothing would learn")
    for setting in ("unfreeze_every", "rate_decay"):
        if getattr(settings, setting) is not None and len(learning) == 1:
            faults.append(
                f"{setting} needs several regions that learn, but only {learning[0]} does; leave "
                "it out, or freeze fewer regions"
            )
    if settings.unfreeze_every is not None and updates is not None:
        last = (len(learning) - 1) * settings.unfreeze_every
        if last >= updates and len(learning) > 1:
            faults.append(
                f"unfreeze_every={settings.unfreeze_every:,} would unfreeze {learning[0]} after "
                f"update {last:,}, but training has only {updates:,} updates; "
                f"use {(updates - 1) // (len(learning) - 1):,} or less"
            )
    return faults
