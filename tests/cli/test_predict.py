"""``engram predict``: answers never replace the data they are for."""

import os

import pytest

from engram.cli.main import main
from engram.cli.predict import _refuse_input
from engram.errors import ConfigError


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "in" / "a.csv"
    path.parent.mkdir()
    path.write_text("text,label\ngood,1\n")
    return path


@pytest.mark.parametrize("named", ["a.csv", "*.csv", "."])
@pytest.mark.parametrize("out", ["in/a.csv", "link.csv", "hard.csv"])
def test_an_output_that_is_the_input(data, tmp_path, named, out):
    (tmp_path / "link.csv").symlink_to(data)
    os.link(data, tmp_path / "hard.csv")
    with pytest.raises(ConfigError, match="would be overwritten; name another file"):
        _refuse_input(tmp_path / out, ["digits", str(data.parent / named)])


def test_other_outputs(data, tmp_path):
    other = tmp_path / "b.csv"
    _refuse_input(other, [str(data)])
    other.touch()
    _refuse_input(other, [str(data), "digits"])


def test_data_whose_name_is_not_utf_8(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv")
    with open(path, "w") as file:
        file.write("text,label\n" + "good film,1\nbad film,0\n" * 20)
    run, out = str(tmp_path / "run"), tmp_path / "answers.csv"
    train = ["train", "classify", "--data", path, "--hidden", "4", "--max-updates", "2"]
    assert main([*train, "--run-dir", run]) == 0
    assert main(["predict", run, "--data", path, "--out", str(out)]) == 0
    assert len(out.read_text().splitlines()) == 41


def test_a_run_refuses_before_it_writes(tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "good film,1\nbad film,0\n" * 20)
    train = ["train", "classify", "--data", str(path), "--hidden", "4", "--max-updates", "2"]
    assert main([*train, "--run-dir", str(tmp_path / "run")]) == 0
    before = path.read_bytes()
    argv = ["predict", str(tmp_path / "run"), "--data", str(path), "--out", str(path)]
    assert main(argv) == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert path.read_bytes() == before
