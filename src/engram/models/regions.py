"""Regions: the part of a brain each module resembles, and the kind of each weight.

This is an analogy, and a partition of a model's weights: every parameter belongs to exactly one
region and is of exactly one kind. Regions can be frozen, unfrozen and given their own learning
rates; kinds select the weights that penalties and weight decay act on. All rules are defined here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn
from torch.nn.parameter import is_lazy

from engram.errors import ConfigError, did_you_mean
from engram.layers import (
    AdditiveAttention,
    ConvLSTM,
    FrameConvolution,
    MultiplicativeAttention,
    Recurrent,
    SelfAttentivePooling,
    TemporalConvolution,
)
from engram.models.region_names import ROLES

RECURRENT = (Recurrent, ConvLSTM, nn.RNNBase, nn.RNNCellBase)
EMBEDDING = (nn.Embedding, nn.EmbeddingBag)
ATTENTION = (
    AdditiveAttention,
    MultiplicativeAttention,
    SelfAttentivePooling,
    nn.MultiheadAttention,
)
CONVOLUTION = (
    *(TemporalConvolution, FrameConvolution),
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
LINEAR = (nn.Linear, nn.Bilinear)  # parietal before the first recurrent layer, else temporal
NORM = (  # same region as the module before them
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
    *(nn.LayerNorm, nn.GroupNorm, nn.RMSNorm),
)
REGION_OF_TYPE: tuple[tuple[tuple[type[nn.Module], ...], str], ...] = (
    (EMBEDDING, "parietal"),
    (CONVOLUTION, "occipital"),
    (RECURRENT, "frontal"),
    (ATTENTION, "temporal"),
)

_MATRIX_OF_REGION = {"parietal": "input", "occipital": "convolution", "frontal": "recurrent"}


@dataclass(frozen=True, eq=False)
class Place:
    """The region and kind of a parameter.

    Attributes:
        name: Its name in the model; for shared weights, their first name.
        parameter: The weights.
        region: A name in `ROLES`.
        kind: A name in `KINDS`.
        shared: The other names of the same weights.
    """

    name: str
    parameter: nn.Parameter
    region: str
    kind: str
    shared: tuple[str, ...] = ()


def module_regions(model: nn.Module) -> dict[str, str]:
    """Map the name of every module to its region; containers have none.

    A module class can override this for its parts with a class attribute ``anatomy``, which maps
    names of its submodules or parameters (``""`` for itself) to regions. Everything inside a module
    with a region belongs to that region too. The rest is assigned by type, see `REGION_OF_TYPE`; a
    linear layer is parietal before the first recurrent layer and temporal elsewhere; norms, and
    modules without weights, belong to the module registered before them (the very first one, to the
    one after it); anything else with weights is temporal.

    Raises:
        ConfigError: For an ``anatomy`` with an unknown name.
    """
    said = _said(model)
    names = list(_modules(model))
    first_recurrent = next((n for n, m in names if isinstance(m, RECURRENT)), None)
    before_recurrence = first_recurrent is not None
    regions: dict[str, str] = {}
    waiting: list[str] = []
    last: str | None = None
    for name, module in names:
        before_recurrence = before_recurrence and name != first_recurrent
        inherited = regions.get(name.rpartition(".")[0]) if name else None
        region = said.get(name) or inherited or _region_of(module, before_recurrence)
        if region is None and next(module.children(), None) is None:
            follows = isinstance(module, NORM) or next(module.parameters(), None) is None
            region = last if follows else "temporal"
            if region is None:
                waiting.append(name)
        if region is not None:
            regions[name] = last = region
            regions |= dict.fromkeys(waiting, region)
            waiting = []
    return {name: regions[name] for name, _ in names if name in regions}


def places(model: nn.Module) -> list[Place]:
    """The region and kind of each parameter of a model, shared weights once.

    Parameters that belong directly to a module without a region are temporal, unless its class
    overrides it.

    Raises:
        ConfigError: As in `module_regions`, and for lazy modules that have no weights yet.
    """
    said, regions = _said(model), module_regions(model)
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if is_lazy(parameter):
            raise ConfigError(f"'{name}' has no shape yet; run the model once on an example")
        names.setdefault(id(parameter), []).append(name)
    found = []
    for name, parameter in model.named_parameters():
        region = said.get(name) or regions.get(name.rpartition(".")[0]) or "temporal"
        kind = _kind(model, name, parameter, region)
        shared = tuple(n for n in names[id(parameter)] if n != name)
        found.append(Place(name, parameter, region, kind, shared))
    return found


def _region_of(module: nn.Module, before_recurrence: bool) -> str | None:
    for types, region in REGION_OF_TYPE:
        if isinstance(module, types):
            return region
    if isinstance(module, LINEAR):
        return "parietal" if before_recurrence else "temporal"
    return None


def _kind(model: nn.Module, name: str, parameter: nn.Parameter, region: str) -> str:
    owner, _, own = name.rpartition(".")
    module = model.get_submodule(owner)
    if "bias" in own or own.startswith("shift_"):  # norms within a cell have shifts
        return "bias"
    if isinstance(module, RECURRENT):
        if own.startswith("weight_ih"):
            return "input"
        return "recurrent" if own.startswith("weight_h") else "gain"  # hr: torch's projection
    if parameter.dim() <= 1 or isinstance(module, NORM):
        return "gain"
    if isinstance(module, EMBEDDING):
        return "embedding"
    path = owner.split(".") if owner else []
    around = [model.get_submodule(".".join(path[:n])) for n in range(len(path) + 1)]
    if any(isinstance(outer, ATTENTION) for outer in around):
        return "attention"
    return _MATRIX_OF_REGION.get(region, "head")


def _modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules by name in registration order, shared ones once."""
    yield from model.named_modules()


def _said(model: nn.Module) -> dict[str, str]:
    """The overrides of all classes, by full name; the outermost takes precedence."""
    said: dict[str, str] = {}
    for prefix, module in _modules(model):
        own = getattr(type(module), "anatomy", None)
        if not isinstance(own, dict):
            continue
        held = {"", *(n for n, _ in module.named_modules()), *dict(module.named_parameters())}
        for name, region in own.items():
            where = f"{type(module).__name__}.anatomy"
            if name not in held:
                raise ConfigError(f"{where} names '{name}': {did_you_mean(name, held - {''})}")
            if region not in ROLES:
                raise ConfigError(f"{where} has region '{region}': {did_you_mean(region, ROLES)}")
            said.setdefault(".".join(part for part in (prefix, name) if part), region)
    return said
