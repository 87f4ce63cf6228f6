"""Sounds with noise, shifted in time, and masked in time and frequency."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from engram.data.arrays.scaling import Scaling
from engram.data.settings import SoundAugmentation, SoundSettings
from engram.data.sound.log_mel import filterbank, frame_sizes
from engram.errors import ConfigError


@dataclass(frozen=True)
class SoundChanges:
    """Change sounds at random, in this order: noise, shift, masks.

    - noise: White noise, whose level is uniform from 0 to ``noise_level`` times the sound's own
      (root of the mean power). To log-mel spectra its power is added; that of a band and frame is
      drawn from an exponential distribution, which is the law of a single bin of white noise.
    - shift: The sound begins up to ``shift_ms`` earlier or later, uniformly; its length stays, and
      its first or last step is repeated.
    - masks: Stretches of time and bands of frequency are replaced by the mean of the training part
      (Park et al. 2019, "SpecAugment"): the width is uniform from 0 to the largest, and then the
      place is.

    Attributes:
        settings: How much of each.
        steps: Largest shift, in steps.
        share: The share of white noise's power in each of the F columns, ``(F,)``; None for a raw
            signal.
        mean, deviation: How columns were scaled, ``(F,)``.
    """

    settings: SoundAugmentation
    steps: int
    share: Tensor | None
    mean: Tensor
    deviation: Tensor

    @classmethod
    def make(cls, settings: SoundAugmentation, sound: SoundSettings, scale: Scaling) -> Self:
        """Make the changes for sounds that were read and scaled in a certain way.

        Args:
            settings: How much of each.
            sound: What a step is, with its sample rate.
            scale: Of each column.

        Raises:
            ConfigError: For frequency masks of a raw signal.
        """
        rate = sound.sample_rate
        assert rate is not None
        mean, deviation = torch.from_numpy(scale.mean), torch.from_numpy(scale.deviation)
        if sound.sound_features == "raw":
            if settings.frequency_masks:
                raise ConfigError(
                    f"frequency_masks={settings.frequency_masks} needs mel bands, but "
                    "sound_features is raw; leave one of them out"
                )
            return cls(settings, round(settings.shift_ms * rate / 1000), None, mean, deviation)
        size, hop = frame_sizes(sound, rate)
        white = torch.from_numpy(filterbank(rate, size, sound.mels).sum(axis=1))
        steps = round(settings.shift_ms * rate / 1000 / hop)
        return cls(settings, steps, white / white.sum(), mean, deviation)

    def apply(self, x: Tensor, lengths: Tensor, generator: torch.Generator) -> Tensor:
        """Change a batch.

        Args:
            x: ``(T, B, F)`` float32, scaled; zero past a row's length, and so is what comes back.
            lengths: Valid steps of each row, ``(B,)``, at least 1.
            generator: Where all chance comes from; on the CPU.

        Returns:
            The same shape and lengths.
        """
        time = torch.arange(len(x)).unsqueeze(1)
        inside = (time < lengths).unsqueeze(2)
        if self.settings.noise_level > 0.0:
            x = self._noisy(x, lengths, inside, generator)
        if self.steps:
            moved = torch.randint(-self.steps, self.steps + 1, lengths.shape, generator=generator)
            places = torch.minimum((time - moved).clamp(min=0), lengths - 1)
            x = x.gather(0, places.unsqueeze(2).expand_as(x))
        for _ in range(self.settings.time_masks):
            widest = (self.settings.time_mask * lengths).long()
            x = x.masked_fill(_mask(time, widest, lengths, generator).unsqueeze(2), 0.0)
        bands = torch.arange(x.shape[2]).unsqueeze(1)
        for _ in range(self.settings.frequency_masks):
            count = torch.full_like(lengths, x.shape[2])
            widest = count.clamp(max=self.settings.frequency_mask)
            x = x.masked_fill(_mask(bands, widest, count, generator).T, 0.0)
        return x.masked_fill(~inside, 0.0)

    def _noisy(
        self, x: Tensor, lengths: Tensor, inside: Tensor, generator: torch.Generator
    ) -> Tensor:
        given = x.double() * self.deviation + self.mean
        power = (given.square() if self.share is None else given.exp()).sum(2, keepdim=True)
        power = power.masked_fill(~inside, 0.0).sum(0, keepdim=True) / lengths.view(1, -1, 1)
        drawn = torch.rand(lengths.shape, generator=generator, dtype=torch.float64)
        level = (self.settings.noise_level * drawn).view(1, -1, 1)
        if self.share is None:
            normal = torch.randn(x.shape, generator=generator, dtype=torch.float64)
            noisy = given + level * power.sqrt() * normal
        else:
            chance = torch.rand(x.shape, generator=generator, dtype=torch.float64)
            noise = level.square() * power * self.share * -torch.log1p(-chance)
            noisy = (given.exp() + noise).log()
        return ((noisy - self.mean) / self.deviation).to(x.dtype)


def _mask(places: Tensor, widest: Tensor, count: Tensor, generator: torch.Generator) -> Tensor:
    """Which places of each row are masked, ``(N, B)``: a run of at most ``widest`` of ``count``."""
    share, at = torch.rand((2, len(count)), generator=generator, dtype=torch.float64)
    width = (share * (widest + 1)).long()
    start = (at * (count - width + 1)).long()
    return (places >= start) & (places < start + width)
