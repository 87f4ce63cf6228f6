"""Sounds from files: formats, channels, rates, and every way in which a file can be damaged."""

import numpy as np
import pytest
import soundfile

from engram.data.settings import SoundSettings
from engram.data.sound import sound_files
from engram.data.sound.sound_files import SUFFIXES, read_sound
from engram.data.sound.sounds import read_sounds
from engram.errors import ConfigError, DataError

RATE = 8000


def _tone(hertz=440.0, seconds=0.5, rate=RATE):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def _write(path, signal=None, rate=RATE, **options):
    soundfile.write(path, _tone(rate=rate) if signal is None else signal, rate, **options)
    return path


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_format_is_read_as_it_was_written(tmp_path, suffix):
    sound = read_sound(_write(tmp_path / f"a{suffix}"))
    assert (len(sound.signal), sound.rate, sound.channels) == (RATE // 2, RATE, 1)
    assert sound.signal.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(sound.signal))
    assert np.argmax(spectrum) == 220  # 440 Hz in half a second
    if suffix in (".wav", ".flac"):
        np.testing.assert_allclose(sound.signal, _tone(), atol=1e-4)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "DOUBLE", "ULAW", "MS_ADPCM"])
def test_encodings_of_wav(tmp_path, subtype):
    sound = read_sound(_write(tmp_path / "a.wav", subtype=subtype))
    assert len(sound.signal) >= RATE // 2  # ADPCM fills its last block
    np.testing.assert_allclose(sound.signal[: RATE // 2], _tone(), atol=0.04)


def test_channels_are_averaged(tmp_path):
    path = _write(tmp_path / "a.wav", np.stack([_tone(), np.zeros(RATE // 2)], 1))
    sound = read_sound(path)
    assert sound.channels == 2
    np.testing.assert_allclose(sound.signal, _tone() / 2, atol=1e-4)


def test_blocks_are_joined(tmp_path, monkeypatch):
    path = _write(tmp_path / "a.wav", subtype="FLOAT")
    whole = read_sound(path).signal
    monkeypatch.setattr(sound_files, "_BLOCK", 7)
    np.testing.assert_array_equal(read_sound(path).signal, whole)


def _no_number(path):
    soundfile.write(path, np.array([0.0, np.nan, 0.0]), RATE, subtype="FLOAT")


DAMAGED = {
    "empty file": (lambda path: path.write_bytes(b""), "is empty"),
    "no samples": (lambda path: _write(path, np.zeros(0)), "contains no sound"),
    "text": (lambda path: path.write_bytes(b"RIFF but not really" * 9), "not a readable sound"),
    "cut": (lambda path: path.write_bytes(_write(path).read_bytes()[:4044]), "after 0.25 of 0.50"),
    "NaN": (_no_number, "a sample that is not a number"),
    "slow": (lambda path: _write(path, _tone()[:99], 7), "claims 7 samples per second"),
    "gone": (lambda path: None, "No such file"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named(tmp_path, name):
    damage, said = DAMAGED[name]
    path = tmp_path / "a.wav"
    damage(path)
    with pytest.raises(DataError) as caught:
        read_sound(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3"])
def test_a_compressed_file_that_is_cut_off_is_refused(tmp_path, suffix):
    path = _write(tmp_path / f"a{suffix}", _tone(seconds=5))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"is cut off|not a readable sound|contains no sound"):
        read_sound(path)


def test_a_streamed_wav_without_a_size_is_read_to_its_end(tmp_path):
    path = _write(tmp_path / "a.wav")
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(read_sound(path).signal) == RATE // 2


def test_a_wav_that_counts_its_header_as_sound_is_read(tmp_path):
    path = _write(tmp_path / "a.wav")
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = (RATE + 44).to_bytes(4, "little")
    path.write_bytes(content)
    assert len(read_sound(path).signal) == RATE // 2


def test_too_long_sounds_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sound_files, "MOST_SAMPLES", 100)
    with pytest.raises(DataError, match="4,000 samples, but at most 100"):
        read_sound(_write(tmp_path / "a.wav"))


def test_without_the_library_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    with pytest.raises(ConfigError, match="pip install soundfile"):
        read_sound(tmp_path / "a.wav")


def test_rates_and_channels_are_converted_and_told(tmp_path):
    paths = [_write(tmp_path / f"{n}.wav", subtype="FLOAT") for n in range(3)]
    both = np.stack([_tone(rate=44_100)] * 2, 1)
    paths.append(_write(tmp_path / "other.wav", both, 44_100, subtype="FLOAT"))
    raw = SoundSettings(sound_features="raw")
    series, settings, notes = read_sounds(paths, raw)
    assert settings == SoundSettings(sound_features="raw", sample_rate=RATE)
    assert series.columns == ("sample",)
    assert series.lengths.tolist() == [RATE // 2] * 4
    inside = slice(200, -200)
    np.testing.assert_allclose(series[3][inside], series[0][inside], atol=2e-3)
    assert notes == [
        f"1 of 4 sounds have another sample rate than 8,000 Hz and were resampled, such as "
        f"{paths[3]}",
        f"1 of 4 sounds have several channels, which were averaged, such as {paths[3]}",
    ]
    again, kept, _ = read_sounds(paths[3:], settings)
    assert kept == settings
    np.testing.assert_array_equal(again[0], series[3])


def test_silence_is_told(tmp_path):
    path = _write(tmp_path / "a.wav", np.zeros(300))
    series, _, notes = read_sounds([path], SoundSettings())
    assert notes == [f"1 of 1 sounds are silent, such as {path}"]
    assert np.isfinite(series[0]).all()


def test_all_damaged_files_are_named_together_at_most_ten(tmp_path):
    good = _write(tmp_path / "good.wav")
    bad = [tmp_path / f"bad{n}.wav" for n in range(12)]
    for path in bad:
        path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        read_sounds([bad[0], good, *bad[1:]], SoundSettings())
    text = str(caught.value)
    assert text.startswith("12 of 13 sounds cannot be read: ")
    assert text.endswith("; and 2 more")
    assert all((f"{path} is empty" in text) == (place < 10) for place, path in enumerate(bad))
    with pytest.raises(DataError, match=r"^table row 7: .*bad0.wav is empty"):
        read_sounds([bad[0], good], SoundSettings(), ["table row 7", "table row 8"])
