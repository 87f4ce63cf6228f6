"""The demos of dates and scenes, with their trainings cut short."""

import pytest

from engram.cli import demo_dates, demo_scenes, tasks


@pytest.fixture
def _short(monkeypatch):
    train = tasks.train
    flags = ["--made", "128", "--hidden", "8", "--epochs", "1"]
    monkeypatch.setattr(tasks, "train", lambda task, argv: train(task, [*argv, *flags]))


@pytest.mark.usefixtures("_short")
def test_dates(tmp_path, capsys):
    assert demo_dates.run(tmp_path / "run") == 0
    shown = capsys.readouterr().out
    assert "test part: exact match" in shown
    assert shown.count(" → ") >= 1 + len(demo_dates.LANGUAGES)
    assert "Where it looked" in shown


@pytest.mark.usefixtures("_short")
def test_scenes(tmp_path, capsys):
    assert demo_scenes.run(tmp_path / "run") == 0
    shown = capsys.readouterr().out
    assert "test part: exact match" in shown
    assert "Where it looked" in shown
