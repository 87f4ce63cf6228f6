"""Log-mel spectra: the power of short frames of a sound, in bands as wide as the ear's."""

from functools import lru_cache
from itertools import count

import numpy as np

from engram.data.settings import SoundSettings

FLOOR = 1e-10  # power that is added before the logarithm: -100 dB of full scale
_FRAMES = 4096  # frames that are transformed at once


def mel(hertz: np.ndarray | float) -> np.ndarray:
    """The mel scale, 2595·log₁₀(1 + f/700); 1,000 Hz are 1,000 mel.

    O'Shaughnessy 1987, "Speech communication"; the one of Young et al., "The HTK book", §5.4.
    """
    return 2595.0 * np.log10(1.0 + np.asarray(hertz, dtype=np.float64) / 700.0)


@lru_cache(maxsize=8)
def filterbank(rate: int, size: int, mels: int) -> np.ndarray:
    """Triangular filters of equal width on the mel scale, from 0 Hz to half the rate.

    Between the centres of the first and the last one, the filters add up to 1.

    Args:
        rate: Samples per second.
        size: Samples of a frame. It is padded with zeros, where bins of its transform would be so
            far apart that a filter had none.
        mels: Number of filters.

    Returns:
        ``(mels, S // 2 + 1)`` float64, for a transform of S samples, a power of 2.
    """
    edges = np.linspace(0.0, mel(rate / 2), mels + 2)
    for power in count((size - 1).bit_length()):
        places = mel(np.fft.rfftfreq(1 << power, 1.0 / rate))
        rising = (places - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
        falling = (edges[2:, None] - places) / (edges[2:] - edges[1:-1])[:, None]
        filters = np.clip(np.minimum(rising, falling), 0.0, None)
        if filters.any(axis=1).all():
            break
    filters.setflags(write=False)
    return filters


def frame_sizes(settings: SoundSettings, rate: int) -> tuple[int, int]:
    """Samples of a frame, and from one frame to the next."""
    return max(2, round(rate * settings.frame_ms / 1000)), max(
        1, round(rate * settings.hop_ms / 1000)
    )


def log_mel(signal: np.ndarray, rate: int, settings: SoundSettings) -> np.ndarray:
    """Log-mel spectra of frames under a Hann window.

    A sine of amplitude A has power A² in the bin of its frequency. The last frame is filled up with
    zeros, so that no sample is left out.

    Args:
        signal: ``(N,)``, N ≥ 1.
        rate: Samples per second.
        settings: Frames, and the number of mels.

    Returns:
        ``(T, mels)`` float32, ln(power + 1e-10), with T = 1 + ⌈(N - frame) / hop⌉ and at least 1.

    Example:
        >>> import numpy as np
        >>> tone = np.sin(2 * np.pi * 1000 * np.arange(4000) / 8000)
        >>> spectrum = log_mel(tone, 8000, SoundSettings(mels=20))
        >>> spectrum.shape, int(spectrum.mean(0).argmax())
        ((49, 20), 9)
    """
    size, hop = frame_sizes(settings, rate)
    frames = 1 + max(0, -(-(len(signal) - size) // hop))
    filled = np.zeros((frames - 1) * hop + size, dtype=np.float32)
    filled[: len(signal)] = signal[: len(filled)]
    window = np.hanning(size + 1)[:-1]
    filters = filterbank(rate, size, settings.mels)
    transform = 2 * (filters.shape[1] - 1)
    cut = np.lib.stride_tricks.sliding_window_view(filled, size)[::hop]
    spectra = np.empty((frames, settings.mels), dtype=np.float32)
    for start in range(0, frames, _FRAMES):
        some = slice(start, start + _FRAMES)
        power = np.abs(np.fft.rfft(cut[some] * window, transform)) ** 2 * (2 / window.sum()) ** 2
        spectra[some] = np.log(power @ filters.T + FLOOR)
    return spectra
