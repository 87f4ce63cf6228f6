"""A batch: rows side by side, which several processes can share."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

D = TypeVar("D")


@runtime_checkable
class _Movable(Protocol):
    """A tensor, or what holds some."""

    def to(self, device: torch.device | str, /) -> Any:
        """The same on a device."""


@runtime_checkable
class _HasRows(Protocol):
    """What knows how to give some of its rows."""

    def of_rows(self, rows: slice) -> Any:
        """The same, of these rows alone."""


def on_device(given: D, device: torch.device | str) -> D:
    """A dataclass with its tensors, and what holds tensors, on a device; not copied if there."""
    changes = {
        field.name: value.to(device)
        for field in fields(given)  # type: ignore[arg-type]
        if isinstance(value := getattr(given, field.name), _Movable)
    }
    return replace(given, **changes)  # type: ignore[type-var]


class Batch:
    """Base of batches: frozen dataclasses with a value for each row in some of their fields.

    Attributes:
        axes: The axis of the rows, by field; a field that is not named holds for the whole batch.
        share: What the learning rate is scaled by; 1 for a usual batch.
    """

    axes: ClassVar[Mapping[str, int]]
    share: float

    @property
    def size(self) -> int:
        """How many rows there are."""
        name, axis = next(iter(self.axes.items()))
        return int(getattr(self, name).shape[axis])

    @property
    def terms(self) -> float:
        """How many terms the loss is the mean of; here, one for each row."""
        return float(self.size)

    def of_rows(self, rows: slice) -> Self:
        """The batch of these rows alone; padding stays as long as it is."""
        changes = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, _HasRows):
                changes[field.name] = value.of_rows(rows)
            elif value is not None and field.name in self.axes:
                axis = self.axes[field.name]
                changes[field.name] = value[(slice(None),) * axis + (rows,)]
        return replace(self, **changes)  # type: ignore[type-var]

    def to(self, device: torch.device | str) -> Self:
        """The batch with its tensors on a device."""
        return on_device(self, device)


@dataclass(frozen=True)
class SequenceBatch(Batch):
    """Sequences side by side, with one answer each.

    Attributes:
        inputs: ``(T, B)`` int64, ``(T, B, K)`` int64, or ``(T, B, F)`` float32.
        lengths: ``(B,)`` int64.
        targets: ``(B,)``, or None.
        rows: Which sequences, ``(B,)`` int64.
        count: Steps of all rows, without padding, in all processes.
        share: See `Batch`.
    """

    axes: ClassVar[Mapping[str, int]] = {"inputs": 1, "lengths": 0, "targets": 0, "rows": 0}

    inputs: Tensor
    lengths: Tensor
    targets: Tensor | None
    rows: np.ndarray
    count: int
    share: float = 1.0


@dataclass(frozen=True)
class StepBatch(SequenceBatch):
    """Sequences side by side, with an answer at each step.

    Attributes:
        targets: ``(T, B)`` or ``(T, B, O)``, or None.
    """

    axes: ClassVar[Mapping[str, int]] = {**SequenceBatch.axes, "targets": 1}

    @property
    def terms(self) -> float:
        """The steps of all rows, without padding."""
        return float(self.lengths.sum())
