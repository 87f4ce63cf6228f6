"""Runs that no task of this version trained: shown, and refused with what can be done instead."""

import shutil

import numpy as np
import pytest

import engram
from engram.cli.main import COMMANDS, main
from engram.models.storage import load_description
from engram.tasks.origin import origin_of
from engram.training.run_folder import RunFolder

_WITHOUT_RUN = {"train", "data", "demo"}
_FLAGS = {"finetune": ["--data", "x.txt"]}
_LOADING = sorted(COMMANDS.keys() - _WITHOUT_RUN - {"info", "resume"})


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "echo"
    wave = np.sin(np.arange(200) / 4)
    model = engram.EchoState(units=20, warm_up=10, spectral_radius=0.75, run_dir=path)
    return model.fit(wave[:-1], wave[1:])


@pytest.fixture
def unfinished(network, tmp_path):
    """As a kill before the model was written leaves it."""
    copy = shutil.copytree(network.run_dir, tmp_path / "killed")
    for name in ("model", "records"):
        shutil.rmtree(copy / name)
    return copy


@pytest.fixture
def of_another_version(network, tmp_path):
    copy = shutil.copytree(network.run_dir, tmp_path / "newer")
    for file in (copy / "config.yaml", copy / "model" / "config.json"):
        file.write_text(file.read_text().replace("echo-state", "dream"))
    (copy / "model" / "model.safetensors").unlink()  # its digest is of another config.json
    (copy / "records" / "result.json").unlink()
    return copy


def _facts(shown):
    return dict(line.strip().split("  ", 1) for line in shown.splitlines() if "  " in line)


def test_info_shows_an_estimator(network, capsys):
    assert main(["info", str(network.run_dir)]) == 0
    facts = {name: value.strip() for name, value in _facts(capsys.readouterr().out).items()}
    assert facts["trained by"] == "engram.EchoState"
    assert facts["spectral_radius"] == "0.75"
    assert facts["state"] == "finished"
    assert facts["parameters"] == "22"  # 20 units, the input and the bias
    assert facts["made with"].startswith(f"engram {engram.__version__}, torch ")
    assert facts["records"] == "result"


def test_info_shows_an_estimator_that_was_killed(unfinished, capsys):
    assert main(["info", str(unfinished)]) == 0
    facts = _facts(capsys.readouterr().out)
    assert facts["state"].strip() == "not finished"
    assert "records" not in facts


@pytest.mark.parametrize("command", _LOADING)
def test_commands_on_an_estimator(command, network, capsys):
    run = RunFolder(network.run_dir)
    model = run.model
    assert main([command, str(run.path), *_FLAGS.get(command, [])]) == 1
    assert capsys.readouterr().err == (
        f"engram: {model} was trained by engram.EchoState, which is not a task; use it in Python "
        f"with engram.EchoState.load('{model}')\n"
    )
    assert engram.EchoState.load(model).ridge_ == network.ridge_


def test_training_that_starts_from_an_estimator(network, tmp_path, capsys):
    (tmp_path / "x.csv").write_text("text,label\na b,yes\nb c,no\n")
    start = ["--start", str(network.run_dir), "--run-dir", str(tmp_path / "run")]
    assert main(["train", "classify", "--data", str(tmp_path / "x.csv"), *start]) == 1
    assert "engram.EchoState.load(" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_resume_of_an_estimator(network, unfinished, capsys):
    assert main(["resume", str(network.run_dir)]) == 0
    assert "is finished; see it with" in capsys.readouterr().out
    assert main(["resume", str(unfinished)]) == 1
    assert capsys.readouterr().err == (
        f"engram: {unfinished} is an unfinished run of engram.EchoState, which writes no "
        "checkpoints; call fit() again with another run_dir\n"
    )


def test_commands_on_data_that_were_in_memory(tmp_path, capsys):
    """The run of a task's estimator; only commands that would read its data again refuse it."""
    run, other = tmp_path / "run", tmp_path / "other.csv"
    model = engram.SequenceClassifier(hidden=4, epochs=1, run_dir=run)
    model.fit(["a b", "c d"] * 10, ["yes", "no"] * 10)
    other.write_text("text,label\na b,yes\nc d,no\n")
    for command in ("eval", "predict", "diagnose"):
        assert main([command, str(run), "--data", str(other)]) == 0
    (run / "records" / "result.json").unlink()
    capsys.readouterr()
    for command in ("resume", "diagnose", "anatomy"):
        assert main([command, str(run)]) == 1
        assert capsys.readouterr().err == (
            f"engram: {run} was trained in Python on data in memory, which a run does not contain; "
            "give files with --data to a command that takes them, or fit again in Python\n"
        )


def test_info_shows_a_task_of_another_version(of_another_version, capsys):
    assert main(["info", str(of_another_version)]) == 0
    assert _facts(capsys.readouterr().out)["trained by"].strip() == "dream"


@pytest.mark.parametrize("command", [*_LOADING, "resume"])
def test_commands_on_a_task_of_another_version(command, of_another_version, capsys):
    assert main([command, str(of_another_version), *_FLAGS.get(command, [])]) == 1
    said = capsys.readouterr().err
    assert "is of task 'dream', which this version of Engram does not have" in said
    assert said.count("\n") == 1


def test_a_network_of_an_earlier_version(network, tmp_path):
    """Which stored neither a task nor its parameters apart."""
    config, _ = load_description(RunFolder(network.run_dir).model)
    assert config["task"] == "echo-state"
    del config["task"]
    assert origin_of(config) == "echo-state"
    assert origin_of(config["parameters"]) == "echo-state"
    assert origin_of({"task": "classify", "estimator": {}}) == "classify"
    assert origin_of({}) == "None"
