"""Sounds of many files as series: brought to one rate and one channel, file by file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import gcd
from pathlib import Path

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.paths import noted, read_each
from engram.data.settings import SoundSettings
from engram.data.sound.log_mel import log_mel
from engram.data.sound.sound_files import MOST_SAMPLES, Sound, rate_of, read_sound
from engram.errors import DataError


def read_sounds(
    paths: Sequence[Path], settings: SoundSettings, places: Sequence[str] = ()
) -> tuple[Sequences, SoundSettings, list[str]]:
    """Read sounds; only one is in memory at a time.

    Args:
        paths: One file per sound.
        settings: What a step is. Without a sample rate, that of the most files is taken.
        places: Where each was named, for messages; empty where nowhere but by its path.

    Returns:
        Series ``(T_i, mels)``, or ``(N_i, 1)`` of samples; the settings with the sample rate; and
        what was converted, one sentence each.

    Raises:
        ConfigError: If soundfile is not installed.
        DataError: For files that cannot be read, are empty or damaged: all of them, at most ten by
            name.
    """
    rate = settings.sample_rate or _usual_rate(paths)
    settings = settings.model_copy(update={"sample_rate": rate})
    other: list[Path] = []
    several: list[Path] = []
    silent: list[Path] = []

    def read(path: Path) -> tuple[Sound, np.ndarray]:
        sound = read_sound(path)
        return sound, resampled(path, sound, rate)

    def steps() -> Iterator[np.ndarray]:
        for path, (sound, signal) in read_each(paths, read, places, "sounds"):
            if sound.rate != rate:
                other.append(path)
            if sound.channels > 1:
                several.append(path)
            if sound.signal.min() == sound.signal.max():
                silent.append(path)
            yield features(signal, settings)

    series = Sequences.of(steps(), columns(settings))
    told = (
        (other, f"have another sample rate than {rate:,} Hz and were resampled"),
        (several, "have several channels, which were averaged"),
        (silent, "are silent"),
    )
    return series, settings, noted(told, len(paths), "sounds")


def resampled(path: Path, sound: Sound, rate: int) -> np.ndarray:
    """The signal at another rate, by a polyphase filter.

    Raises:
        DataError: For a sound that would become too long.
    """
    if sound.rate == rate:
        return sound.signal
    if len(sound.signal) * rate > MOST_SAMPLES * sound.rate:
        raise DataError(
            f"{path} has {len(sound.signal):,} samples at {sound.rate:,} Hz, too many to be "
            f"resampled to {rate:,} Hz; cut it into shorter files"
        )
    from scipy.signal import resample_poly

    common = gcd(sound.rate, rate)
    made = resample_poly(sound.signal, rate // common, sound.rate // common)
    return np.asarray(made, dtype=np.float32)


def about(settings: SoundSettings) -> str:
    """What a step is, in words."""
    if settings.sound_features == "raw":
        return f"sounds: raw signal at {settings.sample_rate:,} Hz, one sample per step"
    return (
        f"sounds: {settings.mels} log-mel bands of frames of {settings.frame_ms:g} ms every "
        f"{settings.hop_ms:g} ms, at {settings.sample_rate:,} Hz"
    )


def features(signal: np.ndarray, settings: SoundSettings) -> np.ndarray:
    """The steps of a signal ``(N,)`` at the settings' sample rate: ``(T, mels)``, or ``(N, 1)``."""
    assert settings.sample_rate is not None
    if settings.sound_features == "raw":
        return signal[:, None]
    return log_mel(signal, settings.sample_rate, settings)


def columns(settings: SoundSettings) -> list[str]:
    """What the values of a step are."""
    if settings.sound_features == "raw":
        return ["sample"]
    return [f"mel {number + 1}" for number in range(settings.mels)]


def _usual_rate(paths: Sequence[Path]) -> int:
    """The rate of the most files, and of several such the highest; any where none can be read."""
    rates = Counter(rate for path in paths if (rate := rate_of(path)) is not None)
    return max(rates, key=lambda rate: (rates[rate], rate), default=8000)
