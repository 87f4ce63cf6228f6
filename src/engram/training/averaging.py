"""Averages of weights over updates, which are evaluated and kept in the place of the last ones."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn

from engram.training.settings import TrainingSettings


class Averaging:
    """The average of a model's weights.

    *ema*: w̄ ← d·w̄ + (1 - d)·w at each update, from w̄ = w at the first. *mean*: the mean of w
    over all updates from a certain one on (Polyak and Juditsky 1992; as ASGD in Merity et al.
    2018, as SWA in Izmailov et al. 2018). Training itself goes on with w.

    Args:
        model: The model that is trained; the average is a copy of it.
        settings: Which average, and from when on.
    """

    def __init__(self, model: nn.Module, settings: TrainingSettings) -> None:
        self._trained, self._from = model, settings.averaging_from
        self._averaged: AveragedModel | None = None
        if settings.averaging != "none":
            rule = (
                get_ema_multi_avg_fn(settings.averaging_decay)
                if settings.averaging == "ema"
                else get_swa_multi_avg_fn()
            )
            self._averaged = AveragedModel(model, multi_avg_fn=rule)
            self._averaged.eval()

    @property
    def model(self) -> nn.Module:
        """The model with averaged weights; the trained one where there is no average yet."""
        if self._averaged is None or not self._averaged.n_averaged:
            return self._trained
        return self._averaged.module

    def take(self, update: int) -> None:
        """Take the weights after an update, the first of which has number 1, into the average."""
        if self._averaged is not None and update > self._from:
            self._averaged.update_parameters(self._trained)

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors to store in a checkpoint; tied weights once."""
        return {} if self._averaged is None else self._tensors(self._averaged)

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        if self._averaged is None:
            return
        with torch.no_grad():
            for name, tensor in self._tensors(self._averaged).items():
                tensor.copy_(tensors[name])

    @staticmethod
    def _tensors(averaged: AveragedModel) -> dict[str, Tensor]:
        return dict(averaged.named_parameters()) | dict(averaged.named_buffers())
