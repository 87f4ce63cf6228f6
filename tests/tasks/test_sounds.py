"""Sounds through classify and regress: folders, tables, names, predictions without flags."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engram.cli.main import main
from engram.data.builtin.sounds import CLASSES, RATE, sounds
from engram.data.labelled.reading import read_examples
from engram.data.settings import ReadingSettings, SoundSettings
from engram.errors import ConfigError, DataError, EngramWarning
from engram.records import Result
from engram.tasks import classify, fitting
from engram.tasks.outlines.classify import ClassifySettings
from engram.training.run_folder import RunFolder

SMALL = ["--hidden", "8", "--mels", "12", "--epochs", "1"]


def _read(path, answered=True, numbers=False, media=(), **options):
    chosen = ReadingSettings(data=[str(each) for each in np.atleast_1d(path)], **options)
    return read_examples(chosen.data, chosen, numbers=numbers, answered=answered, media=media)


def _tone(path, hertz, rate=8000, seconds=0.2, channels=1):
    signal = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    path.parent.mkdir(exist_ok=True, parents=True)
    soundfile.write(path, np.stack([signal] * channels, 1), rate)
    return path


@pytest.fixture
def folder(tmp_path):
    for place in range(10):
        _tone(
            tmp_path / "data" / "low" / f"a{place}.wav", 300 + 20 * place, seconds=0.1 + place / 50
        )
        _tone(tmp_path / "data" / "high" / f"b{place}.flac", 1500 + 90 * place)
    return tmp_path / "data"


def test_class_folders(folder):
    found = _read(folder)
    assert found.examples.targets == ["high"] * 10 + ["low"] * 10
    assert found.examples.names[0] == str(folder / "high" / "b0.flac")
    assert found.examples.medium == SoundSettings(sample_rate=8000)
    assert found.about == [
        f"20 sounds from {folder}",
        "sounds: 40 log-mel bands of frames of 25 ms every 10 ms, at 8,000 Hz",
    ]
    assert not found.warnings


def test_names_have_labels_where_they_are_asked_for(tmp_path):
    for digit in range(3):
        for speaker in ("jackson", "theo"):
            for take in range(4):
                _tone(tmp_path / "all" / f"{digit}_{speaker}_{take}.wav", 300 * (digit + 1))
    folder = tmp_path / "all"
    with pytest.raises(DataError) as caught:
        _read(folder)
    said = str(caught.value)
    assert said.endswith(
        "--label-part: 1 has 3 values (0, 1, 2); 2 has 2 values (jackson, theo); 3 has 4 values "
        "(0, 1, 2, …)"
    )
    assert "0_jackson_0.wav and 23 other files" in said
    for given in (folder, f"{folder}/*.wav"):
        found = _read(given, label_part=1)
        assert found.examples.targets == [str(n) for n in range(3) for _ in range(8)]
        assert found.roles == {"label_part": 1}
    with pytest.raises(DataError, match="3 parts in its name, so --label-part 4 is not there"):
        _read(folder, label_part=4)
    assert _read(folder, answered=False).examples.targets is None
    with pytest.raises(DataError, match="label_part=1 is for sounds and images"):
        _read("reviews", label_part=1)


def test_what_is_beside_the_folders_is_told(folder):
    beside = _tone(folder / "more.wav", 300)
    found = _read(folder)
    assert len(found.examples) == 20
    assert found.warnings == [
        f"1 files are in no folder of a class and were left out, such as {beside}"
    ]


def test_what_is_converted_in_the_test_part_is_told(folder, tmp_path):
    other = _tone(tmp_path / "test" / "low" / "a.wav", 300, rate=16_000)
    settings = ClassifySettings(data=[str(folder)], test_data=[str(tmp_path / "test")])
    data = classify.TASK.read(settings)
    assert data.warnings == [
        f"1 of 1 sounds have another sample rate than 8,000 Hz and were resampled, such as {other}"
    ]


def test_a_label_part_wins_over_folders(folder):
    found = _read(folder, label_part=1)
    assert found.examples.targets == [f"b{n}" for n in range(10)] + [f"a{n}" for n in range(10)]


@pytest.mark.parametrize("extra", [{}, {"note": "a longer text about it, than any name of a file"}])
def test_a_table_names_files_relative_to_itself(folder, extra):
    table = folder / "sounds.csv"
    with open(table, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *extra, "label"])
        writer.writerow(["low/a3.wav", *extra.values(), "l"])
        writer.writerow(["high/b2.flac", *extra.values(), "h"])
    found = _read(table, label_part=2)
    assert found.warnings == [f"label_part is not used for {table}, whose labels are in a column"]
    assert found.roles["target"] == "label"
    whole = _read(folder).examples
    assert found.examples.targets == ["l", "h"]
    assert found.examples.names == [str(folder / "low/a3.wav"), str(folder / "high/b2.flac")]
    np.testing.assert_array_equal(found.examples.inputs[0], whole.inputs[13])
    np.testing.assert_array_equal(found.examples.inputs[1], whole.inputs[2])


def test_a_table_of_numbers_is_regressed(folder):
    table = folder / "sounds.csv"
    table.write_text("file,seconds\nlow/a3.wav,0.16\nhigh/b2.flac,0.2\n")
    found = _read(table, numbers=True)
    assert found.examples.targets.tolist() == [0.16, 0.2]
    with pytest.raises(DataError, match="numeric targets are needed"):
        _read(folder, numbers=True)


def test_files_that_a_table_names_and_that_are_damaged_are_told_by_row(folder):
    table = folder / "sounds.csv"
    (folder / "low" / "a0.wav").write_bytes(b"")
    table.write_text("file,label\nlow/a3.wav,l\nlow/a0.wav,l\ngone.wav,h\nhigh/b1.flac,h\n")
    with pytest.raises(DataError) as caught:
        _read(table)
    said = str(caught.value)
    assert said.startswith(f"2 of 4 sounds cannot be read: {table} row 2: {folder}/low/a0.wav is")
    assert f"; {table} row 3: cannot read {folder}/gone.wav: No such file" in said


def test_kinds_are_not_mixed(folder):
    (folder / "low" / "b.txt").write_text("words")
    with pytest.raises(DataError, match=r"is a sound or image, but .*b.txt is not"):
        _read(folder)
    (folder / "low" / "b.txt").unlink()
    with pytest.raises(DataError, match="some files are sounds or images and others are not"):
        _read([folder, "digits"])


def test_the_first_rate_is_that_of_all(folder):
    others = folder.parent / "others"
    for place in range(3):
        _tone(others / "low" / f"{place}.wav", 300, rate=16_000)
    found = _read([folder, others])
    assert found.examples.medium.sample_rate == 8000
    assert "3 of 3 sounds have another sample rate than 8,000 Hz" in found.warnings[0]
    found = _read([folder, others], media=[SoundSettings(sample_rate=16_000, mels=5)])
    assert found.examples.medium == SoundSettings(sample_rate=16_000, mels=5)


def test_a_model_reads_new_sounds_as_those_it_learnt(folder, tmp_path, capsys):
    run = str(tmp_path / "run")
    argv = ["train", "classify", "--data", str(folder), "--run-dir", run, *SMALL]
    assert main([*argv, "--frame-ms", "32", "--noise-level", "0.1", "--time-masks", "1"]) == 0
    capsys.readouterr()
    one = _tone(tmp_path / "one.wav", 320)
    two = _tone(tmp_path / "two.wav", 320, rate=44_100, channels=2)
    with pytest.warns(EngramWarning) as told:
        assert main(["predict", run, "--data", str(one), str(two)]) == 0
    shown = capsys.readouterr()
    rows = list(csv.DictReader(shown.out.splitlines()))
    assert [row["name"] for row in rows] == [str(one), str(two)]
    assert float(rows[0]["p(low)"]) == pytest.approx(float(rows[1]["p(low)"]), abs=0.02)
    assert [str(each.message) for each in told] == [
        f"1 of 2 sounds have another sample rate than 8,000 Hz and were resampled, such as {two}",
        f"1 of 2 sounds have several channels, which were averaged, such as {two}",
    ]
    assert main(["eval", run, "--data", str(folder)]) == 0
    trained = fitting.load(classify.TASK, RunFolder.open(Path(run)).model)
    assert trained.preprocess.encoding.medium == SoundSettings(
        sample_rate=8000, mels=12, frame_ms=32
    )
    assert main(["predict", run, "--data", "digits"]) == 2
    assert "12 log-mel bands of frames of 32 ms" in capsys.readouterr().err


def test_fine_tuning_reads_sounds_as_the_first_training(folder, tmp_path):
    run, other = str(tmp_path / "run"), str(tmp_path / "other")
    assert main(["train", "classify", "--data", str(folder), "--run-dir", run, *SMALL]) == 0
    assert main(["finetune", run, "--data", str(folder), "--run-dir", other, "--epochs", "1"]) == 0
    trained = fitting.load(classify.TASK, RunFolder.open(Path(other)).model)
    assert trained.preprocess.encoding.medium == SoundSettings(sample_rate=8000, mels=12)


def test_changes_of_sounds_are_refused_where_there_are_none():
    settings = ClassifySettings(data=["digits"], noise_level=0.1, time_masks=1)
    with pytest.raises(ConfigError, match="noise_level, time_masks apply to sounds"):
        classify.TASK.source(settings, classify.TASK.read(settings))


def test_made_sounds():
    signals, labels = sounds(40, seed=3)
    assert labels == [*CLASSES] * 4
    again, _ = sounds(40, seed=3)
    assert all(np.array_equal(one, two) for one, two in zip(signals, again, strict=True))
    assert not np.array_equal(signals[0], sounds(40, seed=4)[0][0])
    for signal in signals:
        assert signal.dtype == np.float32
        assert np.abs(signal).max() <= 1.0
        assert 0.25 * RATE <= len(signal) <= 0.8 * RATE
    with pytest.raises(ConfigError, match="are made at 8,000"):
        _read("sounds", media=[SoundSettings(sample_rate=16_000)])


@pytest.mark.slow
def test_made_sounds_are_learnt(tmp_path):
    run = str(tmp_path / "run")
    argv = ["train", "classify", "--config", "sounds", "--run-dir", run, "--seed", "1"]
    assert main([*argv, "--epochs", "6"]) == 0
    result = RunFolder.open(Path(run)).read(Result)
    assert result.reports["test"].measures["accuracy"] >= 0.9
