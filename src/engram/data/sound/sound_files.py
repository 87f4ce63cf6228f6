"""Reading sounds from files, as one channel."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engram.errors import ConfigError, DataError
from engram.files import cannot

SUFFIXES = {".flac", ".mp3", ".ogg", ".wav"}
RATES = (1_000, 768_000)  # samples per second; others come from damaged headers
MOST_SAMPLES = 1 << 26  # 25 minutes at 44,100 Hz
_BLOCK = 1 << 20  # samples that are read at once, before channels are averaged
_MP3_DELAY = 2304  # samples of two frames, by which encoders and headers of MP3 files disagree
_UNKNOWN_SIZES = {0, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFFF}  # written by programs that stream


@dataclass(frozen=True)
class Sound:
    """A sound as it was read.

    Attributes:
        signal: ``(N,)`` float32, full scale is -1 to 1; the mean of all channels.
        rate: Samples per second.
        channels: Of the file.
    """

    signal: np.ndarray
    rate: int
    channels: int


def soundfile() -> Any:
    """The library that decodes.

    Raises:
        ConfigError: If it is not installed, or finds no libsndfile.
    """
    try:
        import soundfile as library
    except ImportError:
        raise ConfigError("sounds need soundfile; run pip install soundfile") from None
    except OSError as error:  # no wheel for this system, and no libsndfile on it
        raise ConfigError(
            f"sounds need libsndfile ({error}); install it, such as with apt install libsndfile1"
        ) from None
    return library


def rate_of(path: Path) -> int | None:
    """Samples per second, from a file's header; None where it has none that can be read."""
    library = soundfile()
    try:
        return int(library.info(str(path)).samplerate)
    except (library.SoundFileError, OSError):
        return None


def read_sound(path: Path) -> Sound:
    """Read a sound file.

    Raises:
        ConfigError: If soundfile is not installed.
        DataError: For a file that cannot be read, is empty, damaged or cut off, has a value that is
            not a number, or more than 67 million samples per channel.
    """
    library = soundfile()
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty; leave it out, or restore it")
        with library.SoundFile(str(path)) as file:
            signal = _mono(path, file)
            found = Sound(signal, file.samplerate, file.channels)
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error
    except library.SoundFileError as error:
        said = str(getattr(error, "error_string", error)).rstrip(".")
        raise DataError(f"{path} is not a readable sound: {said}; restore it") from None
    if not np.isfinite(signal).all():
        raise DataError(f"{path} contains a sample that is not a number; restore it")
    return found


def _mono(path: Path, file: Any) -> np.ndarray:
    """The mean of all channels, read block by block."""
    if not RATES[0] <= file.samplerate <= RATES[1]:
        raise DataError(
            f"{path} claims {file.samplerate:,} samples per second; {RATES[0]:,} to {RATES[1]:,} "
            "are supported, so restore it"
        )
    if file.frames == 0:
        raise DataError(f"{path} contains no sound; leave it out, or restore it")
    if file.frames > MOST_SAMPLES:
        raise DataError(
            f"{path} has {file.frames:,} samples, but at most {MOST_SAMPLES:,} are supported; cut "
            "it into shorter files"
        )
    parts = [np.empty(0, dtype=np.float32)]
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        parts.append(block.mean(axis=1))
    signal = np.concatenate(parts)
    wanted = max(file.frames, _promised(path, file))
    # some programs count the header of a WAV file as sound: less than 10 ms
    spare = _MP3_DELAY if file.format == "MP3" else file.samplerate // 100
    if len(signal) < max(1, wanted - spare):
        raise DataError(
            f"{path} is cut off after {len(signal) / file.samplerate:.2f} of "
            f"{wanted / file.samplerate:.2f} seconds; restore it"
        )
    return signal


def _promised(path: Path, file: Any) -> int:
    """Samples that the header of a WAV file promises; libsndfile reads what is there and is silent.

    0 where the header does not say, and for other formats.
    """
    if file.format not in ("WAV", "WAVEX"):
        return 0
    with path.open("rb") as raw:
        head = raw.read(12)
        order = ">" if head[:4] == b"RIFX" else "<"
        block = 0
        while len(chunk := raw.read(8)) == 8:
            name, size = chunk[:4], struct.unpack(f"{order}I", chunk[4:])[0]
            if name == b"fmt ":
                content = raw.read(size + size % 2)
                compressed = struct.unpack(f"{order}H", content[:2])[0] not in (1, 3, 0xFFFE)
                block = 0 if compressed else struct.unpack(f"{order}H", content[12:14])[0]
                continue
            if name == b"data":
                return 0 if size in _UNKNOWN_SIZES or not block else size // block
            raw.seek(size + size % 2, 1)
    return 0
