"""Log-mel spectra: known values of the scale, filters that add up to one, tones, frames."""

import numpy as np
import pytest

from engram.data.settings import SoundSettings
from engram.data.sound.log_mel import FLOOR, filterbank, log_mel, mel


@pytest.mark.parametrize(
    ("hertz", "wanted"), [(0.0, 0.0), (700.0, 781.17), (1000.0, 999.99), (4000.0, 2146.06)]
)
def test_known_values_of_the_scale(hertz, wanted):
    assert mel(hertz) == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize(
    ("rate", "size", "mels"), [(8000, 200, 40), (44_100, 1102, 80), (8000, 64, 128)]
)
def test_filters_add_up_to_one_and_none_is_empty(rate, size, mels):
    filters = filterbank(rate, size, mels)
    places = mel(np.fft.rfftfreq(2 * (filters.shape[1] - 1), 1 / rate))
    width = mel(rate / 2) / (mels + 1)
    between = (places >= width) & (places <= mels * width)
    np.testing.assert_allclose(filters.sum(0)[between], 1.0)
    assert (filters.sum(1) > 0).all()
    assert 2 * (filters.shape[1] - 1) >= size


def test_a_tone_has_the_power_of_its_amplitude_in_its_band():
    rate, amplitude = 16_000, 0.3
    hertz = 1000.0  # a bin of 512 samples at 16,000 Hz is 31.25 Hz, 1,000 Hz the 32nd
    signal = amplitude * np.sin(2 * np.pi * hertz * np.arange(rate) / rate)
    settings = SoundSettings(mels=40, frame_ms=32)
    spectrum = log_mel(signal.astype(np.float32), rate, settings)
    band = mel(hertz) / (mel(rate / 2) / 41) - 1
    assert abs(spectrum[10].argmax() - band) <= 0.5
    # of the three bins of a Hann window, the side ones have a quarter of the power each
    total = np.exp(spectrum[10]).sum()
    assert total == pytest.approx(amplitude**2 * 1.5, rel=0.01)


@pytest.mark.parametrize(
    ("samples", "frames"), [(1, 1), (199, 1), (200, 1), (201, 2), (280, 2), (281, 3), (800, 9)]
)
def test_every_sample_is_in_a_frame(samples, frames):
    signal = np.zeros(samples, dtype=np.float32)
    signal[-1] = 1.0
    spectrum = log_mel(signal, 8000, SoundSettings())
    assert spectrum.shape == (frames, 40)
    assert spectrum.dtype == np.float32
    # the window is 0 on the first sample of a frame alone
    assert (spectrum[-1] > np.log(FLOOR) + 0.1).all() or samples in (1, 201, 281)


def test_stretches_of_frames_give_the_same(monkeypatch):
    signal = np.random.default_rng(0).normal(size=3000).astype(np.float32)
    whole = log_mel(signal, 8000, SoundSettings())
    monkeypatch.setattr("engram.data.sound.log_mel._FRAMES", 3)
    np.testing.assert_allclose(log_mel(signal, 8000, SoundSettings()), whole, rtol=1e-6)


def test_a_hop_longer_than_a_frame_is_refused():
    assert "would not be read" in SoundSettings(frame_ms=10, hop_ms=11).contradictions()[0]
