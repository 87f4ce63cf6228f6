"""Penalties: which ones the settings ask for, and what they look at while a model runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from engram.cells import Cell
from engram.errors import ConfigError
from engram.layers import Recurrent
from engram.layers.stack import Pass
from engram.training.penalties.activation import (
    activation_penalty,
    norm_stabilizer,
    temporal_penalty,
)
from engram.training.penalties.omega import omega, omega_obstacle
from engram.training.penalties.spectral import (
    LargestSingularValues,
    orthogonal_penalty,
    spectral_penalty,
)
from engram.training.penalties.stretch import Stretch
from engram.training.settings import TrainingSettings

_OF_PASSES = ("temporal_penalty", "norm_stabilizer", "omega")


def obstacles(cell: Cell, settings: TrainingSettings) -> list[str]:
    """Why a model with this cell cannot have the penalties of the settings, one sentence each."""
    faults = []
    if settings.omega:
        faults += [fault] if (fault := omega_obstacle(cell)) else []
    for name in ("spectral_penalty", "orthogonal_penalty"):
        if getattr(settings, name) and not cell.recurrent:
            faults.append(f"{name} needs a recurrent matrix, but {cell!r} has none; leave it out")
    return faults


class Penalties:
    """The penalties of one training.

    Most are terms of the loss. Ω comes after the backward pass, because it is a function of the
    gradient at every step, and adds its own gradient to that of the recurrent matrices.

    Args:
        model: Its `Recurrent` layers are watched; ``model.head`` is, where the activation penalty
            is asked for.
        settings: The weight of each penalty, 0 for none.

    Raises:
        ConfigError: For penalties that are not defined for the model.
    """

    def __init__(self, model: nn.Module, settings: TrainingSettings) -> None:
        self._model, self._settings = model, settings
        self._recurrent = [m for m in model.modules() if isinstance(m, Recurrent)]
        faults = [f for m in self._recurrent for f in obstacles(m.masking.training, settings)]
        if settings.activation_penalty and not isinstance(getattr(model, "head", None), nn.Module):
            faults.append(
                "activation_penalty acts on the input of model.head, but this model has no head"
            )
        if faults:
            raise ConfigError("; ".join(dict.fromkeys(faults)))
        self._largest = LargestSingularValues()
        self._passes: dict[Recurrent, list[Pass]] = {}
        self._features: list[Tensor] = []
        self._values: dict[str, float] = {}

    @property
    def needs_graph(self) -> bool:
        """Whether the graph of the loss has to outlive its backward pass."""
        return self._settings.omega > 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at every pass of the model in training, for as long as the block runs."""
        undo: list[Any] = []
        if any(getattr(self._settings, name) for name in _OF_PASSES):
            for layer in self._recurrent:
                watch = self._watcher(layer)
                layer.watchers.append(watch)
                undo.append(lambda layer=layer, watch=watch: layer.watchers.remove(watch))
        if self._settings.activation_penalty:
            head: nn.Module = self._model.head  # type: ignore[assignment]
            undo.append(head.register_forward_pre_hook(self._see_features).remove)
        try:
            yield
        finally:
            for each in undo:
                each()

    def added_to(self, loss: Tensor) -> Tensor:
        """The loss with the penalties that are terms of it, of the passes since the last update."""
        s = self._settings
        stretches = [Stretch(passes) for passes in self._passes.values()]
        terms: dict[str, tuple[float, Tensor]] = {}
        # where all below the head is frozen there is nothing to see, and nothing to penalise
        if s.activation_penalty and self._features:
            value = activation_penalty(self._features)
            terms["activation_penalty"] = s.activation_penalty, value
        if s.temporal_penalty and stretches:
            value = torch.stack([temporal_penalty(each) for each in stretches]).sum()
            terms["temporal_penalty"] = s.temporal_penalty, value
        if s.norm_stabilizer and stretches:
            value = torch.stack([norm_stabilizer(each) for each in stretches]).sum()
            terms["norm_stabilizer"] = s.norm_stabilizer, value
        if s.spectral_penalty:
            value = spectral_penalty(self._model, self._largest, s.spectral_bound)
            terms["spectral_penalty"] = s.spectral_penalty, value
        if s.orthogonal_penalty:
            terms["orthogonal_penalty"] = s.orthogonal_penalty, orthogonal_penalty(self._model)
        self._values = {name: value.item() for name, (_, value) in terms.items()}
        for weight, value in terms.values():
            loss = loss + weight * value
        return loss

    def after_backward(self, epoch: int) -> dict[str, float]:
        """Add the gradient of Ω, and forget what was seen.

        Args:
            epoch: Its number, from 0, for the schedule of Ω: constant, or weight/(epoch + 1).

        Returns:
            The value of each penalty in this update, before its weight.
        """
        s = self._settings
        if s.omega:
            weight = s.omega / (epoch + 1) if s.omega_schedule == "inverse" else s.omega
            self._values["omega"] = 0.0
            for module, passes in self._passes.items():
                stretch = Stretch(passes)
                for name in passes[0].results:
                    used = [each.weights[name].recurrent for each in passes]
                    if not any(recurrent.requires_grad for recurrent in used):
                        continue  # frozen
                    value, gradients = omega(stretch, name, module.cell.activation)  # type: ignore[attr-defined]
                    self._values["omega"] += value.item()
                    torch.autograd.backward(used, [weight * each for each in gradients])
        self._passes.clear()
        self._features.clear()
        return self._values

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors to store in a checkpoint."""
        return dict(self._largest.vectors)

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        self._largest = LargestSingularValues(dict(tensors))

    def _watcher(self, layer: Recurrent) -> Any:
        def watch(passed: Pass) -> None:
            if not layer.training or not passed.output.requires_grad:
                return
            self._passes.setdefault(layer, []).append(passed)
            if self._settings.omega:
                for tensor in (passed.state[0], *(r.output for r in passed.results.values())):
                    if tensor.requires_grad:
                        tensor.retain_grad()

        return watch

    def _see_features(self, head: nn.Module, inputs: tuple[Tensor]) -> None:
        if head.training and inputs[0].requires_grad:
            self._features.append(inputs[0])
