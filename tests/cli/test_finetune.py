"""``engram finetune`` and ``engram anatomy``: a trained run, other text, region by region."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

import engram
from engram.cli.main import main

TEXT = "the quick brown fox jumps over the lazy dog. " * 20
OTHER = "A lazy DOG sleeps; the fox does not! " * 20
SMALL = ["--hidden=8", "--epochs=1", "--lanes=4", "--steps=8", "--threads=1"]
SPLIT = ["--valid=0.1", "--test=0.1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text(TEXT)
    (folder / "other.txt").write_text(OTHER)
    argv = ["train", "language-model", "--data", str(folder / "text.txt"), *SMALL, *SPLIT]
    assert main([*argv, "--run-dir", str(folder / "run")]) == 0
    return folder


def _finetune(trained, folder, *more):
    argv = ["finetune", str(trained / "run"), "--run-dir", str(folder / "tuned")]
    return main([*argv, "--data", str(trained / "other.txt"), *more])


def _settings(folder):
    return yaml.safe_load((folder / "tuned" / "config.yaml").read_text())


def test_finetune(trained, tmp_path, capsys):
    flags = ["--freeze", "parietal", "--rate", "0.01", "--rate", "temporal=0.1"]
    assert _finetune(trained, tmp_path, *flags) == 0
    out, err = capsys.readouterr()
    assert err == ""
    new, all_of_it = len(set(OTHER) - set(TEXT)), len(set(OTHER)) + 2
    kept = f"{all_of_it - new} of {all_of_it} characters keep their rows"
    assert f"starting from {trained}/run/model: {kept}\n" in out
    fresh = f"{new} new characters keep their initial values"
    assert f"  parietal   frozen; its rows of {fresh}\n" in out
    assert "  frontal    learns at 0.01\n  temporal   learns at 0.001\n" in out
    assert "test part: loss " in out
    settings = _settings(tmp_path)
    assert (settings["freeze"], settings["rates"]) == (["parietal"], {"temporal": 0.1})
    assert (settings["rate"], settings["hidden"]) == (0.01, 8)
    assert main(["info", str(tmp_path / "tuned")]) == 0
    assert main(["sample", str(tmp_path / "tuned"), "--prompt", "DOG", "--length", "9"]) == 0
    assert main(["diagnose", str(tmp_path / "tuned")]) == 0
    assert capsys.readouterr().err == ""


def test_defaults_are_those_of_the_run(trained, tmp_path, capsys):
    assert _finetune(trained, tmp_path, "--print-config") == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    before = yaml.safe_load((trained / "run" / "config.yaml").read_text())
    changed = {name for name, value in printed.items() if value != before[name]}
    assert changed == {"data", "start", "rate"}
    assert printed["rate"] == before["rate"] * 0.5
    assert not (tmp_path / "tuned").exists()


def test_a_fine_tuned_run_needs_nothing_of_the_first_one(trained, tmp_path, capsys):
    source = Path(shutil.copytree(trained / "run", tmp_path / "run"))
    data = str(trained / "other.txt")
    run = str(tmp_path / "tuned")
    assert main(["finetune", str(source), "--run-dir", run, "--data", data]) == 0
    whole = load_file(tmp_path / "tuned" / "model" / "model.safetensors")
    shutil.rmtree(source)
    # as if it had been killed before its first checkpoint
    for name in ("checkpoints", "records", "model"):
        shutil.rmtree(tmp_path / "tuned" / name)
    capsys.readouterr()
    assert main(["resume", run]) == 0
    assert "keep their rows" in capsys.readouterr().out
    again = load_file(tmp_path / "tuned" / "model" / "model.safetensors")
    assert all((again[name] == value).all() for name, value in whole.items())
    assert main(["anatomy", run]) == 0


def test_a_fine_tuned_run_is_fine_tuned(trained, tmp_path, capsys):
    assert _finetune(trained, tmp_path, "--freeze", "frontal") == 0
    argv = ["finetune", str(tmp_path / "tuned"), "--data", str(trained / "other.txt")]
    assert main([*argv, "--run-dir", str(tmp_path / "twice")]) == 0
    settings = yaml.safe_load((tmp_path / "twice" / "config.yaml").read_text())
    assert settings["freeze"] == []
    assert "the same vocabulary" in capsys.readouterr().out


def test_a_saved_model_is_fine_tuned(trained, tmp_path):
    engram.LanguageModel.load(trained / "run" / "model").save(tmp_path / "saved")
    argv = ["finetune", str(tmp_path / "saved"), "--data", str(trained / "other.txt")]
    assert main([*argv, "--run-dir", str(tmp_path / "tuned")]) == 0


FAULTS = [
    (["--freeze", "temproal"], ["freeze names 'temproal', did you mean 'temporal'?"]),
    (["--freeze", "occipital"], ["'occipital', but this model has no weights there"]),
    (["--freeze", "frontal,temporal,parietal"], ["so nothing would learn"]),
    (
        ["--freeze", "temporal", "--rate", "temporal=0.1", "--rates", "brain=2"],
        ["rates sets a learning rate for temporal, but freeze freezes it", "rates names 'brain', "],
    ),
    (["--unfreeze-every", "9"], ["unfreeze_every=9 would unfreeze parietal after update 18"]),
    (["--rate", "1", "2"], ["--rate names 1 and 2; give one rate, and factors as REGION=X"]),
    (["--rate", "fast"], ["rate is 'fast': input should be a valid number"]),
    (["--hidden", "9"], ["'--hidden' is not a flag"]),
    (["--freze", "temporal", "--epochs", "0"], ["did you mean '--freeze'?", "epochs is '0'"]),
]


@pytest.mark.parametrize(("flags", "texts"), FAULTS, ids=str)
def test_a_fault_makes_no_folder(flags, texts, trained, tmp_path, capsys):
    assert _finetune(trained, tmp_path, *flags) == 2
    err = capsys.readouterr().err
    assert all(text in err for text in texts)
    assert not (tmp_path / "tuned").exists()


def test_data_and_another_folder_are_needed(trained, capsys):
    run = str(trained / "run")
    assert main(["finetune", run, "--run-dir", run, "--overwrite"]) == 2
    err = capsys.readouterr().err
    assert "--data is missing" in err
    assert "is the run to start from; name another folder" in err
    assert (trained / "run" / "model" / "model.safetensors").exists()


def test_a_run_that_is_none(tmp_path, capsys):
    assert main(["finetune", str(tmp_path), "--data", "x"]) == 1
    assert "contains no config.yaml, so it is not a run folder" in capsys.readouterr().err


def test_a_run_of_a_version_with_another_decay_is_not_resumed(trained, tmp_path, capsys):
    run = Path(shutil.copytree(trained / "run", tmp_path / "run"))
    settings = yaml.safe_load((run / "config.yaml").read_text())
    for name in ("regularise", "l1", "l2", "freeze", "rates", "rate_decay", "unfreeze_every"):
        del settings[name]
    shutil.rmtree(run / "records")
    for decay, status in ((0.01, 1), (0.0, 0)):
        settings["weight_decay"] = decay
        (run / "config.yaml").write_text(yaml.safe_dump(settings))
        capsys.readouterr()
        assert main(["resume", str(run)]) == status
    (run / "config.yaml").write_text(yaml.safe_dump(settings | {"weight_decay": 0.01}))
    shutil.rmtree(run / "records")
    assert main(["resume", str(run)]) == 1
    assert "weight_decay=0.01 meant something else" in capsys.readouterr().err
    assert main(["info", str(run)]) == 0


def test_anatomy(trained, tmp_path, capsys):
    run = Path(shutil.copytree(trained / "run", tmp_path / "run"))
    assert main(["anatomy", str(run), "--data", str(trained / "other.txt")]) == 0
    assert not (run / "records" / "anatomy.json").exists()
    capsys.readouterr()
    assert main(["anatomy", str(run)]) == 0
    out = capsys.readouterr().out
    assert "embedding: Embedding" in out
    assert "characters of text.txt, 30 different" in out
    record = json.loads((run / "records" / "anatomy.json").read_text())
    regions = record["regions"]
    assert sum(region["parameters"] for region in regions.values()) == record["parameters"]
    assert all(regions[name]["change"] > 0.0 for name in ("parietal", "frontal", "temporal"))
    assert sum(region["gradient"] for region in regions.values()) == pytest.approx(1.0)


def test_anatomy_of_frozen_regions(trained, tmp_path, capsys):
    flags = ["--freeze", "parietal", "--rates", "temporal=0.1", "--l2", "0.01"]
    assert _finetune(trained, tmp_path, *flags) == 0
    capsys.readouterr()
    assert main(["anatomy", str(tmp_path / "tuned")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "L2 0.01 on input, recurrent, embedding" in out
    regions = json.loads((tmp_path / "tuned" / "records" / "anatomy.json").read_text())["regions"]
    assert (regions["parietal"]["trained"], regions["parietal"]["change"]) == (0, 0.0)
    assert regions["frontal"]["rates"] == [0.001]
    assert regions["temporal"]["rates"] == pytest.approx([1e-4])
    assert regions["temporal"]["change"] > 0.0


def test_anatomy_of_too_little(trained, tmp_path, capsys):
    (tmp_path / "empty.txt").write_text("x")
    argv = ["anatomy", str(trained / "run"), "--data", str(tmp_path / "empty.txt")]
    assert main(argv) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err
