"""Anatomy: what each region of a model contains, computes and learns, and how it has changed."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from engram.errors import ConfigError
from engram.models.compute import multiply_adds, multiply_adds_a_step
from engram.models.evaluating import evaluating
from engram.models.region_names import ROLES
from engram.models.regions import Place, module_regions, places
from engram.records import Anatomy, Region


def anatomy(
    model: nn.Module,
    example: Any = None,
    *,
    loss: Callable[[Any], Tensor] | None = None,
    initial: Mapping[str, Tensor] | None = None,
    optimizer: Optimizer | None = None,
    facts: Mapping[str, Mapping[str, str]] | None = None,
) -> Anatomy:
    """Summarise a model by regions, named by analogy with those of a brain.

    Works on any torch module. `module_regions` assigns modules to regions; your own class can
    override it with ``anatomy = {"encoder": "occipital"}``.

    Args:
        model: The model; it is not changed.
        example: An input for the model, a tuple of arguments, a dict of named ones, or a function
            that calls the model; multiply-adds are counted while it runs. Without it they are
            derived from sizes, for one time step.
        loss: Computes a loss from the model's output on the example; its gradient is measured with
            dropout off. Without it, the weights' existing gradients are used, if any.
        initial: Weights at initialisation, as a ``state_dict``.
        optimizer: The optimizer whose learning rates are shown.
        facts: Additional facts by region, such as training settings.

    Raises:
        ConfigError: For a loss without an example, for initial weights of another model, and as in
            `module_regions`.

    Example:
        >>> import engram, torch
        >>> model = torch.nn.ModuleDict({"rnn": torch.nn.LSTM(4, 8), "head": torch.nn.Linear(8, 2)})
        >>> engram.anatomy(model).regions["frontal"].parameters
        448
    """
    if loss is not None and example is None:
        raise ConfigError("a loss was given without an example to compute it on; give both")
    found = places(model)
    of_module = module_regions(model)
    with evaluating(model):
        counts = (
            multiply_adds_a_step(model)
            if example is None
            else multiply_adds(model, lambda: _call(model, example))
        )
        gradients = _gradients(model, found, example, loss)
    compute = None if counts is None else _sums((of_module.get(n), c) for n, c in counts.items())
    squares = _sums((p.region, _squared(g)) for p, g in zip(found, gradients, strict=True))
    learns = any(g is not None for g in gradients)
    rates = _rates(optimizer)
    outermost = {
        name: region
        for name, region in of_module.items()
        if not name or of_module.get(name.rpartition(".")[0]) != region
    }
    regions = {}
    for name, role in ROLES.items():
        own = [place for place in found if place.region == name]
        kinds: dict[str, int] = {}
        for place in own:
            kinds[place.kind] = kinds.get(place.kind, 0) + place.parameter.numel()
        regions[name] = Region(
            name=name,
            role=role,
            modules={
                module: type(model.get_submodule(module)).__name__
                for module, region in outermost.items()
                if region == name
            },
            parameters=sum(kinds.values()),
            trained=sum(p.parameter.numel() for p in own if p.parameter.requires_grad),
            kinds=kinds,
            compute=_share(compute, name),
            gradient=_share(squares, name) if learns else None,
            change=None if initial is None or not own else _change(own, initial),
            rates=sorted({rates[id(p.parameter)] for p in own if id(p.parameter) in rates}),
            facts=dict((facts or {}).get(name, {})),
        )
    return Anatomy(
        regions=regions,
        parameters=sum(region.parameters for region in regions.values()),
        multiply_adds=None if counts is None else sum(counts.values()),
        shared={place.name: list(place.shared) for place in found if place.shared},
    )


def _call(model: nn.Module, example: Any) -> Any:
    if isinstance(example, dict):
        return model(**example)
    if callable(example) and not isinstance(example, Tensor):
        return example(model)
    return model(*example) if isinstance(example, tuple) else model(example)


def _gradients(
    model: nn.Module,
    found: list[Place],
    example: Any,
    loss: Callable[[Any], Tensor] | None,
) -> list[Tensor | None]:
    """The gradient of each parameter that is not frozen."""
    if loss is None:
        return [place.parameter.grad for place in found]
    learning = [place.parameter for place in found if place.parameter.requires_grad]
    value = loss(_call(model, example))
    by_weights = iter(torch.autograd.grad(value, learning, allow_unused=True))
    return [next(by_weights) if p.parameter.requires_grad else None for p in found]


def _change(own: list[Place], initial: Mapping[str, Tensor]) -> float | None:
    """‖W - W₀‖ / ‖W₀‖ over all weights of a region as one vector."""
    moved = whole = 0.0
    for place in own:
        before = next((initial[n] for n in (place.name, *place.shared) if n in initial), None)
        shape = tuple(place.parameter.shape)
        if before is None or tuple(before.shape) != shape:
            given = "lacks it" if before is None else f"has {tuple(before.shape)}"
            raise ConfigError(
                f"weight '{place.name}' has shape {shape}, and the initial state_dict {given}; "
                "give the state_dict of the same model"
            )
        moved += _squared(place.parameter.detach() - before.to(place.parameter))
        whole += _squared(before)
    return math.sqrt(moved / whole) if whole > 0.0 else None


def _rates(optimizer: Optimizer | None) -> dict[int, float]:
    groups = [] if optimizer is None else optimizer.param_groups
    return {id(p): float(group["lr"]) for group in groups for p in group["params"]}


def _squared(tensor: Tensor | None) -> float:
    return 0.0 if tensor is None else float(tensor.detach().double().square().sum())


def _sums(parts: Iterable[tuple[str | None, float]]) -> dict[str, float]:
    """Sum values by region; anything without a region counts as temporal."""
    sums: dict[str, float] = {}
    for region, value in parts:
        sums[region or "temporal"] = sums.get(region or "temporal", 0.0) + value
    return sums


def _share(sums: dict[str, float] | None, name: str) -> float | None:
    if sums is None:
        return None
    whole = sum(sums.values())
    return sums.get(name, 0.0) / whole if whole else 0.0
