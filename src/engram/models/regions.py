"""Regions: which part of a brain each module of a network resembles, and what each weight is for.

An analogy, and a division of a model's weights: every parameter lies in exactly one region and is
of exactly one kind. Regions are frozen, unfrozen and given rates of their own; kinds say on which
weights penalties and decay act. The rules stand here and nowhere else.
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
NORM = (  # with the module before them
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
    """Where a parameter lies.

    Attributes:
        name: Its name in the model; shared weights have that of their first place.
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
    """The region of every module that has one, by its name; containers have none.

    A class of modules says otherwise for what it holds by a class attribute ``anatomy``, which maps
    names of its submodules or parameters (``""`` for itself) to regions. What lies in a module that
    has a region is in that region too. The rest goes by type, as `REGION_OF_TYPE` has it; a linear
    layer is parietal before the first recurrent layer and temporal elsewhere; norms, and modules
    without weights, belong to the module that is registered before them (the first of all to the
    one after it); what else holds weights is temporal.

    Raises:
        ConfigError: For an ``anatomy`` that names what does not exist.
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
    """Where each parameter of a model lies, shared weights once.

    Parameters that a module without a region holds itself are temporal, unless its class says
    otherwise.

    Raises:
        ConfigError: As `module_regions`, and for lazy modules that have no weights yet.
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
    """Modules by name in the order of their registration, shared ones once."""
    yield from model.named_modules()


def _said(model: nn.Module) -> dict[str, str]:
    """What classes say about their own parts, by full name; the outermost has the last word."""
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
