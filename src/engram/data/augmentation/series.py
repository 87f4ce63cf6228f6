"""Series jittered, scaled, warped in time and cropped; what is missing stays missing."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from engram.data.settings import SeriesAugmentation
from engram.errors import ConfigError

_WAVES = 4


def augment_series(
    x: Tensor,
    lengths: Tensor | Sequence[int] | None,
    settings: SeriesAugmentation,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Change a batch of series at random, in this order: crop, warp, scale, jitter.

    - crop: Each row keeps a window of a random length, at least that share of its own, from a
      random start; it becomes shorter.
    - warp: Time runs faster here and slower there, smoothly: the logarithm of its speed is a sum
      of random cosines. Begin and end stay where they are, and so does the length; values between
      steps are interpolated linearly.
    - scale: Each feature of each row is multiplied by e^(scale·z), z ~ N(0, 1).
    - jitter: Each value gets jitter·s·z, z ~ N(0, 1), with s the standard deviation of its feature
      in its row.

    Crop and warp move steps, so they are for targets that belong to a whole row.

    Args:
        x: ``(T, B, F)``, floating; NaN is missing, and stays so.
        lengths: Valid steps of each row, ``(B,)``, or None for all.
        settings: How much of each.
        generator: Where all chance comes from; on the CPU.

    Returns:
        ``(T', B, F)``, zero past a row's length, with T' the longest length, and the lengths
        ``(B,)`` int64.

    Raises:
        ConfigError: For another shape or dtype, or lengths that do not fit.
    """
    if x.dim() != 3 or not x.is_floating_point() or 0 in x.shape:
        raise ConfigError(
            f"series have shape {tuple(x.shape)} and {x.dtype}; they must be floating-point of "
            "shape (T, B, F)"
        )
    steps, batch, features = x.shape
    given = torch.full((batch,), steps) if lengths is None else torch.as_tensor(lengths)
    if given.shape != (batch,) or bool(((given < 1) | (given > steps)).any()):
        raise ConfigError(
            f"lengths are {given.tolist()}; they must be {batch} whole numbers from 1 to T={steps}"
        )
    given = given.cpu().to(torch.int64)
    starts, kept = _windows(given, settings.crop, generator)
    time = torch.arange(int(kept.max())).unsqueeze(1)
    inside = time < kept
    places = time.expand(-1, batch).double()
    if settings.warp > 0.0:
        places = _warped(places, kept, settings.warp, generator)
    places = (starts + places).clamp(max=(starts + kept - 1).double())
    changed = _at(x, places.to(x.device))
    if settings.scale > 0.0:
        drawn = torch.randn((batch, features), generator=generator, dtype=torch.float64)
        changed = changed * torch.exp(settings.scale * drawn).to(x)
    outside = ~inside.to(x.device).unsqueeze(2)
    if settings.jitter > 0.0:
        drawn = torch.randn(changed.shape, generator=generator, dtype=torch.float64)
        spread = _deviation(changed.masked_fill(outside, torch.nan))
        changed = changed + settings.jitter * spread * drawn.to(x)
    return changed.masked_fill(outside, 0.0), kept.to(x.device)


def _windows(lengths: Tensor, least: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Start and length of the window that each row keeps, ``(B,)`` each."""
    if least == 1.0:
        return torch.zeros_like(lengths), lengths
    share, at = torch.rand((2, len(lengths)), generator=generator, dtype=torch.float64)
    kept = ((least + (1.0 - least) * share) * lengths).round().long().clamp(min=1)
    return (at * (lengths - kept + 1)).long(), kept


def _warped(places: Tensor, lengths: Tensor, spread: float, generator: torch.Generator) -> Tensor:
    """Places ``(T, B)`` on a time that runs unevenly, from 0 to the last step of each row."""
    heights = torch.randn((_WAVES, len(lengths)), generator=generator, dtype=torch.float64)
    last = (lengths - 1).clamp(min=1)
    middle = (places[1:] + places[:-1]) / 2 / last  # between two steps, in 0…1
    waves = torch.arange(1, _WAVES + 1, dtype=torch.float64).view(-1, 1, 1)
    bends = heights.unsqueeze(1) * torch.cos(math.pi * waves * middle)
    speed = torch.exp(spread * math.sqrt(2.0 / _WAVES) * bends.sum(0))
    speed = speed * (places[1:] < lengths)
    passed = torch.cat([torch.zeros_like(places[:1]), speed.cumsum(0)])
    return passed / passed[-1:].clamp(min=1e-300) * (lengths - 1)


def _at(x: Tensor, places: Tensor) -> Tensor:
    """Values between steps; where a neighbour is missing, those of the nearest step."""
    rows = torch.arange(x.shape[1], device=x.device)
    before = places.floor()
    share = (places - before).unsqueeze(2).to(x.dtype)
    low = before.long()
    left, right = x[low, rows], x[(low + 1).clamp(max=len(x) - 1), rows]
    nearest = torch.where(share < 0.5, left, right)
    between = torch.lerp(left, right, share)
    return torch.where(left.isfinite() & right.isfinite(), between, nearest)


def _deviation(x: Tensor) -> Tensor:
    """Standard deviation over the steps that are there, ``(B, F)``; 0 where none is."""
    there = ~x.isnan()
    count = there.sum(0).clamp(min=1)
    values = x.masked_fill(~there, 0.0)
    centred = (values - values.sum(0) / count).masked_fill(~there, 0.0)
    return (centred.square().sum(0) / count).sqrt()
