"""Sounds with noise, shifts and masks: powers in closed form, what is masked, lengths, seeds."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from engram.data.arrays.scaling import Scaling
from engram.data.augmentation.seeding import generator_for
from engram.data.augmentation.sounds import SoundChanges
from engram.data.settings import SoundAugmentation, SoundSettings
from engram.data.sound.log_mel import log_mel
from engram.errors import ConfigError

RATE, MELS, T = 8000, 20, 30
MEL = SoundSettings(sample_rate=RATE, mels=MELS)
RAW = SoundSettings(sample_rate=RATE, sound_features="raw")
LENGTHS = torch.tensor([30, 1, 17, 25])


def _changed(x, lengths, sound=MEL, seed=0, scale=None, **options):
    scale = scale or Scaling.none(x.shape[2])
    changes = SoundChanges.make(SoundAugmentation(**options), sound, scale)
    return changes.apply(x, lengths, generator_for(seed, 0))


def _batch(width=MELS):
    x = torch.randn(T, len(LENGTHS), width, generator=torch.Generator().manual_seed(0)) - 3
    return x.masked_fill((torch.arange(T).unsqueeze(1) >= LENGTHS).unsqueeze(2), 0.0)


ALL = {"noise_level": 0.5, "shift_ms": 50, "time_masks": 2, "frequency_masks": 1}


@pytest.mark.parametrize("sound", [MEL, RAW], ids=["mel", "raw"])
def test_shape_padding_and_seed(sound):
    options = dict(ALL) if sound is MEL else ALL | {"frequency_masks": 0}
    x = _batch(MELS if sound is MEL else 1)
    one = _changed(x, LENGTHS, sound, **options)
    assert one.shape == x.shape
    assert one.dtype == x.dtype
    for row, length in enumerate(LENGTHS):
        assert (one[length:, row] == 0).all()
    assert torch.equal(one, _changed(x, LENGTHS, sound, **options))
    assert not torch.equal(one, _changed(x, LENGTHS, sound, seed=1, **options))
    assert torch.equal(x, _changed(x, LENGTHS, sound))


def test_noise_of_a_raw_signal_has_the_asked_level():
    x = 0.2 * torch.randn(4000, 200, 1, generator=torch.Generator().manual_seed(1))
    lengths = torch.full((200,), 4000)
    scale = Scaling(np.array([0.1]), np.array([0.2]))
    scaled = (x - 0.1) / 0.2
    noise = 0.2 * (_changed(scaled, lengths, RAW, scale=scale, noise_level=0.5) - scaled)
    levels = noise.std(0).flatten() / x.square().mean(0).sqrt().flatten()
    assert levels.max() == pytest.approx(0.5, rel=0.05)
    assert levels.mean() == pytest.approx(0.25, rel=0.1)


def test_noise_of_log_mel_is_that_of_the_signal():
    """White noise added to a silent part: the power that its log-mel spectrum would have."""
    draw = np.random.default_rng(0)
    signal = draw.normal(0, 0.1, 4 * RATE).astype(np.float32)
    clean = torch.from_numpy(log_mel(signal, RATE, MEL)).unsqueeze(1)
    lengths = torch.tensor([len(clean)])
    # what white noise of the same level adds, on average over draws of the level in 0…1: a third
    added = [
        (_changed(clean, lengths, seed=seed, noise_level=1.0).exp() - clean.exp()).mean((0, 1))
        for seed in range(100)
    ]
    assert_close(torch.stack(added).mean(0) * 3, clean.exp().mean((0, 1)), rtol=0.3, atol=0)


def test_shift_moves_by_whole_steps_and_repeats_the_edge():
    x = torch.arange(1.0, T + 1).view(T, 1, 1).expand(T, 60, MELS).contiguous()
    moved = _changed(x, torch.full((60,), T), shift_ms=50)  # five hops of 10 ms
    by = set()
    for row in range(60):
        own = moved[:, row, 0]
        shift = int(x[10, row, 0] - own[10])
        by.add(shift)
        assert_close(own, (torch.arange(T) - shift).clamp(0, T - 1).float() + 1)
    assert by == set(range(-5, 6))


def test_masks_are_runs_of_at_most_the_asked_width():
    x = torch.ones(T, 200, MELS)
    lengths = torch.full((200,), 20)
    masked = _changed(x, lengths, time_masks=1, time_mask=0.25) == 0
    assert masked[20:].all()
    widths = masked[:20, :, 0].sum(0)
    assert set(widths.tolist()) == set(range(6))
    edges = masked[:20, :, 0].int().diff(dim=0).abs().sum(0)
    assert edges.max() <= 2
    bands = _changed(x, lengths, frequency_masks=1, frequency_mask=4)[:20] == 0
    assert (bands == bands[:1]).all()
    assert set(bands[0].sum(1).tolist()) == set(range(5))


def test_frequency_masks_of_a_raw_signal_are_refused():
    with pytest.raises(ConfigError, match="frequency_masks=1 needs mel bands"):
        _changed(_batch(1), LENGTHS, RAW, frequency_masks=1)
