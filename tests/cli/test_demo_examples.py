"""The demos of examples, with their trainings cut short."""

import pytest

from engram.cli import demo, demo_dates
from engram.cli import train as training
from engram.cli.main import main

pytestmark = pytest.mark.slow


@pytest.fixture
def _short(monkeypatch):
    train = training.train
    flags = ["--hidden", "8", "--epochs", "1"]

    def cut_short(task, argv):
        made = ["--made", "128"] if task.name in ("translate", "caption") else []
        return train(task, [*argv, *flags, *made])

    monkeypatch.setattr(training, "train", cut_short)


@pytest.mark.usefixtures("_short")
def test_dates(tmp_path, capsys):
    assert main(["demo", "dates", "--run-dir", str(tmp_path / "run")]) == 0
    shown = capsys.readouterr().out
    assert "test part: exact match" in shown
    assert shown.count(" → ") >= 1 + len(demo_dates.LANGUAGES)
    assert "Attention for each generated character" in shown


@pytest.mark.usefixtures("_short")
def test_scenes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "scenes"]) == 0
    shown = capsys.readouterr().out
    assert "test part: exact match" in shown
    assert "Attention over the image" in shown
    assert (tmp_path / "runs" / "scenes" / "model" / "model.safetensors").exists()


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("name", ["digits", "reviews", "sounds"])
def test_classification(tmp_path, capsys, name):
    assert main(["demo", name, "--run-dir", str(tmp_path / "run")]) == 0
    assert "test part: accuracy" in capsys.readouterr().out


def test_names(capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--help"])
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in demo.DEMOS)
    assert main(["demo", "date"]) == 2
    assert "'date' is not a demo: did you mean 'dates'?" in capsys.readouterr().err


@pytest.mark.usefixtures("_short")
def test_sunspots(tmp_path, capsys):
    assert main(["demo", "sunspots", "--run-dir", str(tmp_path / "run")]) == 0
    shown = capsys.readouterr().out
    assert "test part: MASE" in shown
    rows = shown.split("series,time,value,low 80 %,high 80 %\n")[1].splitlines()
    assert [row.split(",")[1] for row in rows] == [str(year) for year in range(2009, 2020)]
