"""Windows of series for a forecaster: each of their steps is an origin, from which it looks ahead.

Learning from every step of a window at once is what Wen et al. 2017 ("A Multi-Horizon Quantile
Recurrent Forecaster") call forking sequences.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from engram.data.arrays.spool import let_go
from engram.data.batching.batch import Batch
from engram.data.panels.calendars.calendar import phases
from engram.data.panels.outlook import Outlook, transformed
from engram.data.panels.panel import Panel


@dataclass(frozen=True)
class WindowBatch(Batch):
    """Windows side by side.

    Attributes:
        inputs: ``(T, B, I)`` float32.
        known: What is known of the steps after each, ``(T, B, horizon, K)``.
        lengths: Steps of each window, ``(B,)`` int64.
        reference: What is corrected, in scaled units, ``(T, B, horizon)``.
        targets: How far the values are from it, in units of the spread; NaN where there is none.
        count: Steps that have a target, in all processes.
        share: See `Batch`.
    """

    axes: ClassVar[Mapping[str, int]] = {
        **dict.fromkeys(("inputs", "known", "reference", "targets"), 1),
        "lengths": 0,
    }

    inputs: Tensor
    known: Tensor
    lengths: Tensor
    reference: Tensor
    targets: Tensor
    count: int
    share: float = 1.0

    @property
    def terms(self) -> float:
        """Values that are looked ahead to and are there."""
        return float((~self.targets.isnan()).sum())


def windows(
    panel: Panel,
    outlook: Outlook,
    scales: np.ndarray,
    series: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
) -> WindowBatch:
    """Lay windows of series side by side.

    Args:
        panel: The series.
        outlook: How they become numbers.
        scales: Mean and deviation of each series, ``(n, 2)``.
        series: Which series each window is of, ``(B,)``.
        starts, lengths: Where it begins, and how many steps it has, ``(B,)``.

    Raises:
        DataError: For values that the transform does not take.
    """
    block = _Block.of(panel, outlook, scales, series, starts, int(lengths.max()))
    horizon, back, longest = outlook.settings.horizon, block.back, int(lengths.max())
    after = slice(back + 1, back + longest + horizon)
    reference = _reference(outlook, block, longest)
    targets = sliding_window_view(block.scaled[after], horizon, axis=0) - reference
    targets /= outlook.spread
    targets[np.arange(longest)[:, None] >= lengths] = np.nan
    ahead = torch.from_numpy(block.known[after]).unfold(0, horizon, 1).transpose(2, 3)  # a view
    return WindowBatch(
        torch.from_numpy(_inputs(outlook, block, longest)),
        ahead,
        torch.from_numpy(np.asarray(lengths, dtype=np.int64)),
        torch.from_numpy(reference),
        torch.from_numpy(targets),
        int((~np.isnan(targets)).any(axis=2).sum()),
    )


def inputs_of(
    panel: Panel,
    outlook: Outlook,
    scales: np.ndarray,
    series: np.ndarray,
    start: int,
    steps: int,
) -> Tensor:
    """What a model reads of some steps of series, ``(steps, B, I)``; what follows is not looked at.

    Args:
        panel, outlook, scales, series: As in `windows`.
        start, steps: The first step, and how many, of each series alike; what lies behind the end
            of one is no matter.
    """
    starts = np.full(len(series), start)
    block = _Block.of(panel, outlook, scales, series, starts, steps, ahead=0)
    return torch.from_numpy(_inputs(outlook, block, steps))


@dataclass(frozen=True)
class _Block:
    """Steps of windows, with those before and after that are looked at.

    Attributes:
        scaled: The target, scaled, ``(back + T + ahead, B)``; NaN is missing, or outside.
        filled: The same with the last value where one is missing, and else 0.
        inside: Whether a step lies in its series.
        past: Columns that are known up to now, scaled, ``(…, B, P)``.
        known: What is known ahead, ``(…, B, K)``.
        back: How many steps before the first one.
    """

    scaled: np.ndarray
    filled: np.ndarray
    inside: np.ndarray
    past: np.ndarray
    known: np.ndarray
    back: int

    @classmethod
    def of(
        cls,
        panel: Panel,
        outlook: Outlook,
        scales: np.ndarray,
        series: np.ndarray,
        starts: np.ndarray,
        steps: int,
        ahead: int | None = None,
    ) -> "_Block":
        back = outlook.season if outlook.settings.reference == "season" else 1
        forth = steps + (outlook.settings.horizon if ahead is None else ahead)
        first, end = panel.sequences.offsets[series], panel.sequences.offsets[series + 1]
        at = first + starts + np.arange(-back, forth)[:, None]
        inside = (at >= first) & (at < end)
        at = np.clip(at, first, end - 1)
        rows, carried, times = panel.sequences.values[at], panel.carried[at], panel.times[at]
        for array in (panel.sequences.values, panel.carried, panel.times):
            let_go(array)
        mean, deviation = scales[series].T

        def scaled(values: np.ndarray) -> np.ndarray:
            given = transformed(values, outlook.settings.transform, "of a batch")
            moved = ((given - mean) / deviation).astype(np.float32)
            moved[~inside] = np.nan
            return moved

        columns = rows[..., 1:]
        if columns.shape[2]:
            columns = np.nan_to_num(outlook.covariates.apply(columns))
        waves = phases(outlook.calendar, times, outlook.cycles)
        own = scaled(rows[..., 0])
        return cls(
            own,
            np.nan_to_num(scaled(carried)) if np.isnan(own[inside]).any() else np.nan_to_num(own),
            inside,
            columns[..., : outlook.past],
            np.concatenate([columns[..., outlook.past :], waves], axis=2),
            back,
        )


def _inputs(outlook: Outlook, block: _Block, steps: int) -> np.ndarray:
    """What the model reads: the value, its change, whether it is missing, and covariates."""
    now = slice(block.back, block.back + steps)
    change = np.where(block.inside[:steps], block.filled[now] - block.filled[:steps], 0.0)
    parts = [block.filled[now, :, None], change[..., None] / outlook.spread]
    if outlook.settings.missing == "mask":
        parts.append(np.isnan(block.scaled[now])[..., None])
    parts += [block.past[now], block.known[now]]
    return np.concatenate(parts, axis=2, dtype=np.float32)


def _reference(outlook: Outlook, block: _Block, steps: int) -> np.ndarray:
    """What the model corrects, ``(T, B, horizon)``."""
    horizon = outlook.settings.horizon
    last = block.filled[block.back : block.back + steps]
    if outlook.settings.reference == "zero":
        return np.zeros((*last.shape, horizon), dtype=np.float32)
    if outlook.settings.reference == "last":
        return np.repeat(last[..., None], horizon, axis=2)
    # the season before a step lies together; it is repeated where the horizon is longer
    season = outlook.season
    first = block.back + 1 - season
    width = min(horizon, season)
    own = slice(first, first + steps + width - 1)
    found = sliding_window_view(block.filled[own], width, axis=0)
    inside = sliding_window_view(block.inside[own], width, axis=0)
    before = np.where(inside, found, last[..., None])
    return before if horizon <= season else before[..., np.arange(horizon) % season]


def season_places(horizon: int, season: int) -> np.ndarray:
    """Where the last season stands for each step ahead, from the origin on, ``(horizon,)``.

    The season is repeated: for step h that is h - m · ceil(h / m), 0 or less.
    """
    steps = np.arange(1, horizon + 1)
    return steps - season * -(-steps // season)
